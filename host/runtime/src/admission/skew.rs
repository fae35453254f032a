//! Where a plugin's contract differs from the host's: the first item, in the words of WIT.
//!
//! It runs for a plugin that is refused anyway, so it may take its time: the plugin's types are read from its bytes, the
//! host's from the text of the contract.

use crate::contract::{CONTRACT_VERSION, PACKAGE, served, text_of};
use std::collections::BTreeMap;
use std::fmt;
use wit_component::DecodedWasm;
use wit_parser::{
    Function, Handle, InterfaceId, Resolve, SourceMap, Type, TypeDefKind, TypeId, WorldItem,
};

/// An item that the plugin has otherwise than the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The interface, without its version, and the item: `route.decide`.
    pub item: String,
    /// What the plugin was built against.
    pub plugin: String,
    /// What the host has; none when it has no such item.
    pub host: Option<String>,
}

/// An interface of the contract's package.
struct Name {
    interface: String,
    version: String,
}

/// The items of an interface, each as WIT text.
type Items = BTreeMap<String, String>;

/// The first item that the component has otherwise than the host, in `interface` or, where none is named, in any. Each
/// interface is compared with the host's of the same version, or with the newest where the host has none.
pub(super) fn first_difference(component: &[u8], interface: Option<&str>) -> Option<Difference> {
    let Ok(DecodedWasm::Component(theirs, world)) = wit_component::decode(component) else {
        return None;
    };
    let world = theirs.worlds.get(world)?;
    let used = world.imports.iter().chain(&world.exports);
    let mut used: Vec<_> = used
        .filter_map(|(_, item)| match item {
            WorldItem::Interface { id, .. } => Some((Name::of(&theirs, *id)?, *id)),
            WorldItem::Function(_) | WorldItem::Type { .. } => None,
        })
        .filter(|(name, _)| interface.is_none_or(|wanted| wanted == name.interface))
        .collect();
    // What the others are made of comes first.
    used.sort_by_key(|(name, _)| (name.interface != "types", name.interface.clone()));
    used.into_iter()
        .find_map(|(name, id)| differs(&name, &items(&theirs, id)))
}

fn differs(name: &Name, theirs: &Items) -> Option<Difference> {
    let ours = contract(served(&name.version).unwrap_or(CONTRACT_VERSION))?;
    let host = ours.interfaces.iter().find_map(|(id, _)| {
        let known = Name::of(&ours, id)?;
        (known.interface == name.interface).then(|| items(&ours, id))
    });
    let host = host.unwrap_or_default();
    theirs.iter().find_map(|(item, plugin)| {
        let known = host.get(item);
        (known != Some(plugin)).then(|| Difference {
            item: format!("{}.{item}", name.interface),
            plugin: plugin.clone(),
            host: known.cloned(),
        })
    })
}

/// The contract's text, parsed.
fn contract(version: &str) -> Option<Resolve> {
    let mut sources = SourceMap::new();
    for (file, text) in text_of(version) {
        sources.push_str(file, *text);
    }
    let mut resolve = Resolve::default();
    resolve.push_group(sources.parse().ok()?).ok()?;
    Some(resolve)
}

fn items(resolve: &Resolve, id: InterfaceId) -> Items {
    let Some(interface) = resolve.interfaces.get(id) else {
        return Items::new();
    };
    let types = interface.types.iter().map(|(name, id)| {
        let text = definition(resolve, *id);
        (name.clone(), text)
    });
    let functions = interface.functions.values().map(|function| {
        let text = signature(resolve, function);
        (function.name.clone(), text)
    });
    types.chain(functions).collect()
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let named = function.params.iter();
    let named = named.map(|param| format!("{}: {}", param.name, reference(resolve, &param.ty)));
    let params = named.collect::<Vec<_>>().join(", ");
    match &function.result {
        Some(result) => format!("func({params}) -> {}", reference(resolve, result)),
        None => format!("func({params})"),
    }
}

/// A type where it is defined: its whole shape. A name that stands for a type of another interface is followed to it.
fn definition(resolve: &Resolve, id: TypeId) -> String {
    let Some(defined) = resolve.types.get(id) else {
        return "?".to_owned();
    };
    let join = |parts: Vec<String>| parts.join(", ");
    let case = |name: &str, ty: &Option<Type>| match ty {
        Some(ty) => format!("{name}({})", reference(resolve, ty)),
        None => name.to_owned(),
    };
    match &defined.kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let fields = fields.map(|it| format!("{}: {}", it.name, reference(resolve, &it.ty)));
            format!("record {{ {} }}", join(fields.collect()))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|it| case(&it.name, &it.ty));
            format!("variant {{ {} }}", join(cases.collect()))
        }
        TypeDefKind::Enum(it) => {
            let cases = it.cases.iter().map(|case| case.name.clone());
            format!("enum {{ {} }}", join(cases.collect()))
        }
        TypeDefKind::Flags(it) => {
            let flags = it.flags.iter().map(|flag| flag.name.clone());
            format!("flags {{ {} }}", join(flags.collect()))
        }
        TypeDefKind::Type(Type::Id(other)) => definition(resolve, *other),
        kind => anonymous(resolve, kind),
    }
}

/// A type where it is used: by its name, if it has one.
fn reference(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::F32 => "f32".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::ErrorContext => "error-context".to_owned(),
        Type::Id(id) => match resolve.types.get(*id) {
            Some(defined) => match &defined.name {
                Some(name) => name.clone(),
                None => anonymous(resolve, &defined.kind),
            },
            None => "?".to_owned(),
        },
    }
}

fn anonymous(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let of = |ty: &Type| reference(resolve, ty);
    match kind {
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        TypeDefKind::Tuple(tuple) => {
            let types = tuple.types.iter().map(of).collect::<Vec<_>>();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Result(result) => {
            let side = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), of);
            format!("result<{}, {}>", side(&result.ok), side(&result.err))
        }
        TypeDefKind::Handle(Handle::Own(id)) => of(&Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", of(&Type::Id(*id))),
        TypeDefKind::Type(ty) => of(ty),
        other => other.as_str().to_owned(),
    }
}

// === impl Name ===

impl Name {
    fn of(resolve: &Resolve, id: InterfaceId) -> Option<Self> {
        let full = resolve.id_of(id)?;
        let (package, rest) = full.split_once('/')?;
        let (interface, version) = rest.split_once('@')?;
        (package == PACKAGE).then(|| Self {
            interface: interface.to_owned(),
            version: version.to_owned(),
        })
    }
}

// === impl Difference ===

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is `{}` in the plugin", self.item, self.plugin)?;
        match &self.host {
            Some(host) => write!(f, " and `{host}` here"),
            None => f.write_str(" and is not there here"),
        }
    }
}

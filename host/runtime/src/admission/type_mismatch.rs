//! The first difference between a plugin's contract and the host's, as WIT text.
//!
//! This only runs for plugins that are refused, so it may take its time: it reads the plugin's types from its bytes, and the
//! host's from the text of the contract.

use std::collections::BTreeMap;
use std::fmt;

use wit_component::DecodedWasm;
use wit_parser::{
    Function, Handle, InterfaceId, Resolve, SourceMap, Type, TypeDefKind, TypeId, WorldItem,
};

use crate::contract::{CONTRACT_VERSION, PACKAGE, served, text_of};

/// An item of the contract that differs between plugin and host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The interface without its version, and the item, such as `route.decide`.
    pub item: String,
    /// The item that the plugin was built against.
    pub plugin: String,
    /// The host's item, or `None` if the host has no such item.
    pub host: Option<String>,
}

/// The name of an interface of the contract's package.
struct Name {
    interface: String,
    version: String,
}

/// The items of an interface as WIT text, by name.
type Items = BTreeMap<String, String>;

/// Returns the first item in which the component differs from the host, in `interface` or in any interface.
///
/// Each interface is compared with the host's of the same version, or with the newest if the host does not serve that one.
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
    // The other interfaces are made of `types`, so it comes first.
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

/// Parses the text of the contract.
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

/// Formats the definition of a type. An alias of another interface's type is resolved.
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

/// Formats a reference to a type: its name, if it has one.
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
            Some(host) => write!(f, " and `{host}` in the host"),
            None => f.write_str(" and missing in the host"),
        }
    }
}

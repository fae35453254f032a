//! Upstreams and groups for tests, from a text with their tables alone.

use std::path::Path;

use witgate_config_file::Document;

use super::*;

#[derive(Deserialize)]
struct File {
    upstreams: BTreeMap<String, UpstreamFile>,
    #[serde(default)]
    groups: BTreeMap<String, GroupFile>,
}

/// Returns the upstreams and groups of a text without problems.
pub(crate) fn parsed(text: &str) -> (Vec<UpstreamConfig>, Vec<GroupConfig>) {
    let document = Document::parse("/w.toml", text).unwrap();
    let (file, mut problems) = document.read_known::<File>().unwrap();
    let mut check = Check::new(&document, Path::new("/"), &mut problems);
    let names: Vec<_> = file.upstreams.keys().cloned().collect();
    let upstreams = UpstreamConfig::check_all(file.upstreams, &mut check.table("upstreams"));
    let groups = GroupConfig::check_all(file.groups, &names, &mut check.table("groups"));
    problems.into_result().unwrap();
    (upstreams, groups)
}

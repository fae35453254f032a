//! The plugin host in a server of one's own, with heads and budgets.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use witgate_artifacts::{BUDGET, ROUTE};

use crate::harness::binary;

/// Returns the lines that the example prints, one for each body.
fn served(policies: &Path, bodies: &[Value]) -> Vec<String> {
    let program = binary().parent().unwrap().join("examples/budgeted");
    let mut child = Command::new(program)
        .arg(policies)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it is built with the whole workspace");
    let mut stdin = child.stdin.take().unwrap();
    for body in bodies {
        writeln!(stdin, "{body}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(str::to_owned).collect()
}

#[test]
fn an_embedder_can_scan_bodies_and_reserve_and_settle_budgets() {
    let policies = tempfile::tempdir().unwrap();
    ROUTE.install(policies.path()).unwrap();
    BUDGET.install(policies.path()).unwrap();
    let write = |name: &str, text: &str| std::fs::write(policies.path().join(name), text).unwrap();
    write(
        "route.toml",
        "[grants]\nbody = \"head\"\n\n[[settings.rules]]\nname = \"no shell\"\n\
         when = [{ field = \"tools\", is = [\"Bash\"] }]\nblock = { message = \"no shell here\" }\n",
    );
    write(
        "budget.toml",
        "[grants]\nbody = \"head\"\nclock = true\n\n[[settings.tiers.free.limits]]\naccount = \"key\"\n\
         window = \"total\"\ntokens = 60\n",
    );
    let plain = json!({"model": "claude-haiku-5-5", "max_tokens": 30, "messages": []});
    let shell = json!({
        "model": "claude-haiku-5-5", "max_tokens": 1, "messages": [], "tools": [{"name": "Bash"}]
    });
    let large = json!({"model": "claude-haiku-5-5", "max_tokens": 50, "messages": []});
    let lines = served(policies.path(), &[shell, plain.clone(), plain, large]);
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(
        lines[0].contains("no shell here"),
        "its tools are seen: {}",
        lines[0]
    );
    for line in &lines[1..3] {
        assert_eq!(line, "served, 12 tokens used", "12 of some 30 are counted");
    }
    assert!(
        lines[3].contains("only 36 of the limit remain"),
        "{}",
        lines[3]
    );
}

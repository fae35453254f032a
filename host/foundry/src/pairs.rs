//! Betas and members that belong together, and what becomes of them on Foundry.
//!
//! Anthropic itself runs the models of Foundry, so what no row names is taken. The sources, by the short names that rows give:
//! - Anthropic: platform.claude.com, "Claude in Microsoft Foundry"; the SDKs, which have no batches and no list of models for it.
//! - Claude Code: version 2.1.329, which asks Foundry itself. Its requests with each model were recorded by a server on the same machine
//!   (`tests/fixtures/claude_code.json`).
//! - LiteLLM: 1.110.2, `anthropic_beta_headers_config.json` (`azure_ai`).
//!
//! None of it was tried against Foundry itself. In particular, deployments that run on Azure take less than those that run at Anthropic, and no
//! source names the difference; an operator's policy can't either, as a name alone does not say where a deployment runs.

use witgate_dialect::pairs::{Fate, Known, Members, On, Row, Table, idle, refused};

/// The fates of betas, and of the members that belong to them.
pub const ROWS: &[Row] = &[
    Row {
        betas: &[
            refused("dev-full-thinking-2025-05-14"),
            refused("agent-memory-2026-07-22"),
            refused("mcp-servers-2025-12-04"),
        ],
        members: &[],
        on: On::Never,
        known: Known::Reported,
        source: "LiteLLM",
    },
    Row {
        betas: &[refused("advisor-tool-2026-03-01")],
        members: &["tools[advisor_]"],
        on: On::Never,
        known: Known::Reported,
        source: "LiteLLM",
    },
    Row {
        betas: &[idle("oauth-2025-04-20"), idle("message-batches-2024-09-24")],
        members: &[],
        on: On::All,
        known: Known::Unsure,
        source: "the first says how a client signed in at Anthropic; Anthropic's SDKs have no batches there",
    },
];

/// The table of Foundry.
pub const TABLE: Table = Table {
    service: "Microsoft Foundry",
    rows: ROWS,
    unlisted: Fate::Taken,
    members: Members::All,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_beta_stands_in_one_row_and_each_row_says_its_source() {
        let mut names: Vec<_> = ROWS
            .iter()
            .flat_map(|row| row.betas)
            .map(|beta| beta.name)
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "no beta twice");
        assert!(
            ROWS.iter().all(|row| !row.source.is_empty()),
            "a source each"
        );
    }
}

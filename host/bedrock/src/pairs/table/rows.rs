//! The rows.

use witgate_dialect::pairs::{Beta, Fate, Known, On, Row, idle, refused, renamed, taken};

/// Models before Claude 4.5.
const BEFORE_4_5: &[&str] = &["claude-3", "opus-4-1", "opus-4-2025", "sonnet-4-2025"];

/// The fates of betas, and of the members that belong to them.
pub const TABLE: &[Row] = &[
    Row {
        betas: &[
            taken("computer-use-2024-10-22"),
            taken("computer-use-2025-01-24"),
            taken("token-efficient-tools-2025-02-19"),
            taken("output-128k-2025-02-19"),
            taken("dev-full-thinking-2025-05-14"),
            taken("interleaved-thinking-2025-05-14"),
            taken("context-1m-2025-08-07"),
        ],
        members: &[],
        on: On::All,
        known: Known::Documented,
        source: "AWS; Claude Code for interleaved thinking",
    },
    Row {
        betas: &[
            taken("computer-use-2025-11-24"),
            taken("fine-grained-tool-streaming-2025-05-14"),
        ],
        members: &[],
        on: On::All,
        known: Known::Reported,
        source: "LiteLLM",
    },
    Row {
        betas: &[
            taken("thinking-binding-controls-2026-08-01"),
            taken("thinking-display-updates-2026-08-18"),
        ],
        members: &[],
        on: On::All,
        known: Known::Unsure,
        source: "LiteLLM, which refuses the value `updates` with models that it doesn't name; Claude Code sends neither to Bedrock",
    },
    Row {
        betas: &[Beta {
            name: "thinking-token-count-2026-05-13",
            fate: Fate::Taken,
            elsewhere: Fate::Idle,
        }],
        members: &[],
        on: On::Except(&["claude-3", "-4-1", "-4-2025", "-4-5", "-4-6"]),
        known: Known::Reported,
        source: "Claude Code",
    },
    Row {
        betas: &[refused("dangerous-tool-use-2026-09-03")],
        members: &["safeguards"],
        on: On::Never,
        known: Known::Unsure,
        source: "LiteLLM passes the beta and drops the member; Claude Code sends neither to Bedrock",
    },
    Row {
        betas: &[refused("mid-conversation-tool-changes-2026-07-01")],
        members: &[],
        on: On::Never,
        known: Known::Unsure,
        source: "LiteLLM passes it with models that it doesn't name; Claude Code doesn't send it to Bedrock; the contents of messages stay",
    },
    Row {
        betas: &[taken("context-management-2025-06-27")],
        members: &["context_management.edits[clear_]"],
        on: On::Only(&["sonnet-4-5", "haiku-4-5"]),
        known: Known::Unsure,
        source: "AWS and aibridge for these models; reports of `context_management: Extra inputs are not permitted` with others; Claude Code never sends it",
    },
    Row {
        betas: &[taken("compact-2026-01-12")],
        members: &["context_management.edits[compact_]"],
        on: On::Only(&["opus-4-6", "sonnet-4-6"]),
        known: Known::Reported,
        source: "LiteLLM for the pair, an example of the crate appam for the models that AWS documents",
    },
    Row {
        betas: &[Beta {
            name: "effort-2025-11-24",
            fate: Fate::Taken,
            elsewhere: Fate::Idle,
        }],
        members: &[],
        on: On::Only(&["opus-4-5"]),
        known: Known::Reported,
        source: "aibridge; Claude Code sends the member to later models without the beta",
    },
    Row {
        betas: &[],
        members: &["output_config.effort"],
        on: On::Only(&[
            "opus-4-5",
            "opus-4-6",
            "opus-4-7",
            "opus-4-8",
            "opus-5",
            "sonnet-4-6",
            "sonnet-5",
            "haiku-5",
            "fable-5",
            "mythos-5",
        ]),
        known: Known::Reported,
        source: "Claude Code from Claude 4.6 on, AWS for Claude Opus 4.5; reports of `output_config.effort: Extra inputs are not permitted` with others",
    },
    Row {
        betas: &[
            idle("structured-outputs-2025-11-13"),
            idle("structured-outputs-2025-12-15"),
        ],
        members: &["output_config.format"],
        on: On::Only(&[
            "opus-4-5",
            "sonnet-4-5",
            "haiku-4-5",
            "opus-4-6",
            "sonnet-4-6",
        ]),
        known: Known::Unsure,
        source: "reports of Anthropic's Python SDK (Claude Opus 4.6 takes it, 4.8 and Sonnet 5 don't) and models.dev; LiteLLM strips it",
    },
    Row {
        betas: &[
            renamed(
                "advanced-tool-use-2025-11-20",
                "tool-search-tool-2025-10-19",
            ),
            taken("tool-search-tool-2025-10-19"),
        ],
        members: &["tools[].defer_loading", "tools[tool_search_]"],
        on: On::Except(&["claude-3"]),
        known: Known::Reported,
        source: "Claude Code, with all models from Claude 4 on; LiteLLM for the other name",
    },
    Row {
        betas: &[taken("tool-examples-2025-10-29")],
        members: &["tools[].input_examples"],
        on: On::Only(&["opus-4-5"]),
        known: Known::Documented,
        source: "AWS",
    },
    Row {
        betas: &[
            refused("per-turn-control-2026-07-01"),
            refused("mid-conversation-output-config-2026-07-01"),
        ],
        members: &["messages[].output_config"],
        on: On::Never,
        known: Known::Unsure,
        source: "LiteLLM passes the second with models that it doesn't name; Claude Code sends none of it to Bedrock",
    },
    Row {
        betas: &[],
        members: &[
            "tools[].cache_control.ttl",
            "system[].cache_control.ttl",
            "messages[].content[].cache_control.ttl",
        ],
        on: On::Except(BEFORE_4_5),
        known: Known::Documented,
        source: "AWS's announcement of January 2026 and its cards of the models; LiteLLM strips it before Claude 4.5",
    },
    Row {
        betas: &[refused("prompt-caching-scope-2026-01-05")],
        members: &[
            "tools[].cache_control.scope",
            "system[].cache_control.scope",
            "messages[].content[].cache_control.scope",
        ],
        on: On::Never,
        known: Known::Reported,
        source: "LiteLLM",
    },
    Row {
        betas: &[
            refused("web-search-2025-03-05"),
            refused("web-fetch-2025-09-10"),
        ],
        members: &["tools[web_search_]", "tools[web_fetch_]"],
        on: On::Never,
        known: Known::Reported,
        source: "LiteLLM for the betas; the tools run at Anthropic, and no source has them on Bedrock",
    },
    Row {
        betas: &[
            refused("code-execution-2025-05-22"),
            refused("code-execution-2025-08-25"),
            refused("skills-2025-10-02"),
            refused("files-api-2025-04-14"),
        ],
        members: &["tools[code_execution_]", "container"],
        on: On::Never,
        known: Known::Reported,
        source: "LiteLLM; contents that name a file stay, and Bedrock refuses them",
    },
    Row {
        betas: &[
            refused("mcp-client-2025-04-04"),
            refused("mcp-client-2025-11-20"),
            refused("mcp-servers-2025-12-04"),
        ],
        members: &["mcp_servers", "tools[mcp_toolset]"],
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
        betas: &[refused("fast-mode-2026-02-01")],
        members: &["speed"],
        on: On::Never,
        known: Known::Reported,
        source: "LiteLLM",
    },
    Row {
        betas: &[refused("task-budgets-2026-03-13")],
        members: &["output_config.task_budget"],
        on: On::Never,
        known: Known::Unsure,
        source: "no source has it on Bedrock",
    },
    Row {
        betas: &[
            refused("server-side-fallback-2026-06-01"),
            refused("server-side-fallback-2026-07-01"),
            refused("redact-thinking-2026-02-12"),
        ],
        members: &["fallbacks"],
        on: On::Never,
        known: Known::Unsure,
        source: "github.com/aws-samples/sample-connector-for-bedrock for redacted thinking; no source has the others on Bedrock",
    },
    Row {
        betas: &[
            idle("claude-code-20250219"),
            idle("oauth-2025-04-20"),
            idle("prompt-caching-2024-07-31"),
            idle("extended-cache-ttl-2025-04-11"),
            idle("pdfs-2024-09-25"),
            idle("token-counting-2024-11-01"),
            idle("message-batches-2024-09-24"),
            idle("afk-mode-2026-01-31"),
        ],
        members: &[],
        on: On::All,
        known: Known::Unsure,
        source: "names of clients, and betas that became part of the API; LiteLLM and aibridge leave them out",
    },
];

//! The table of names.

/// Names of the API and ids of foundation models on Bedrock.
///
/// Sources: Anthropic's page "Model IDs and versioning" (platform.claude.com, about-claude/models/model-ids-and-versions) for the
/// rule: `anthropic.` and the name from Claude 4.6 on, with `-v1` for Claude Opus 4.6 alone, and before that the date and
/// `-v1:0`; Claude Code 2.1.329 for the ids that exist, which has each of them with the prefix `us.`. Short names of dated
/// models are the aliases that the API accepts.
pub const TABLE: &[(&str, &str)] = &[
    ("claude-fable-5-2", "anthropic.claude-fable-5-2"),
    ("claude-fable-5-1", "anthropic.claude-fable-5-1"),
    ("claude-fable-5", "anthropic.claude-fable-5"),
    ("claude-mythos-5", "anthropic.claude-mythos-5"),
    ("claude-opus-5-5", "anthropic.claude-opus-5-5"),
    ("claude-opus-5", "anthropic.claude-opus-5"),
    ("claude-opus-4-8", "anthropic.claude-opus-4-8"),
    ("claude-opus-4-7", "anthropic.claude-opus-4-7"),
    ("claude-opus-4-6", "anthropic.claude-opus-4-6-v1"),
    ("claude-opus-4-5", "anthropic.claude-opus-4-5-20251101-v1:0"),
    (
        "claude-opus-4-5-20251101",
        "anthropic.claude-opus-4-5-20251101-v1:0",
    ),
    ("claude-opus-4-1", "anthropic.claude-opus-4-1-20250805-v1:0"),
    (
        "claude-opus-4-1-20250805",
        "anthropic.claude-opus-4-1-20250805-v1:0",
    ),
    ("claude-opus-4-0", "anthropic.claude-opus-4-20250514-v1:0"),
    (
        "claude-opus-4-20250514",
        "anthropic.claude-opus-4-20250514-v1:0",
    ),
    ("claude-sonnet-5-5", "anthropic.claude-sonnet-5-5"),
    ("claude-sonnet-5", "anthropic.claude-sonnet-5"),
    ("claude-sonnet-4-6", "anthropic.claude-sonnet-4-6"),
    (
        "claude-sonnet-4-5",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    (
        "claude-sonnet-4-5-20250929",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    (
        "claude-sonnet-4-0",
        "anthropic.claude-sonnet-4-20250514-v1:0",
    ),
    (
        "claude-sonnet-4-20250514",
        "anthropic.claude-sonnet-4-20250514-v1:0",
    ),
    ("claude-haiku-5-5", "anthropic.claude-haiku-5-5"),
    (
        "claude-haiku-4-5",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
    ),
    (
        "claude-haiku-4-5-20251001",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
    ),
    (
        "claude-3-7-sonnet-20250219",
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
    ),
    (
        "claude-3-5-sonnet-20241022",
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
    ),
    (
        "claude-3-5-haiku-20241022",
        "anthropic.claude-3-5-haiku-20241022-v1:0",
    ),
];

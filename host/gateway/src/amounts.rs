//! What the API reports, in the amounts that the ledger counts.

use witgate_ledger::Amounts;
use witgate_messages::Tokens;

/// Returns the amounts of an exchange with these tokens. Input is counted as the API does for its own limits on input tokens:
/// uncached tokens and cache writes, no cache reads.
pub(crate) fn amounts(tokens: &Tokens, picousd: u64, requests: u64) -> Amounts {
    Amounts {
        picousd,
        tokens: tokens.total(),
        input_tokens: tokens.input.saturating_add(tokens.cache_write),
        output_tokens: tokens.output,
        cached_tokens: tokens.cache_read,
        requests,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_what_was_not_read_from_a_cache_and_the_total_is_everything() {
        let tokens = Tokens {
            input: 1,
            output: 20,
            cache_read: 300,
            cache_write: 4_000,
            cache_split: None,
        };
        let expected = Amounts {
            picousd: 5,
            tokens: 4_321,
            input_tokens: 4_001,
            output_tokens: 20,
            cached_tokens: 300,
            requests: 1,
        };
        assert_eq!(amounts(&tokens, 5, 1), expected, "each kind once");
    }
}

//! The limits of a credential, as the headers of one answer state them.
//!
//! Times are relative from here on: how long until something happens, instead of when. The clocks of an upstream and of the
//! gateway may differ, and the gateway's may be set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;

/// Number of the kinds of limits: requests, all tokens, tokens of input and of output.
pub(crate) const KINDS: usize = 4;

/// Names of the kinds of limits, as headers and operators know them.
pub(crate) const KIND_NAMES: [&str; KINDS] =
    ["requests", "tokens", "input_tokens", "output_tokens"];

/// Longest wait that is believed: the longest window is a week.
const MAX_WAIT: Duration = Duration::from_secs(8 * 86_400);

/// The headers of a limit: the limit, what is left of it, and the time at which nothing of it is used.
const HEADERS: [[&str; 3]; KINDS] = [
    [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ],
    [
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ],
    [
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ],
    [
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ],
];

/// The windows of an account: five hours and seven days.
pub(crate) const WINDOWS: usize = 2;

/// Names of the windows of an account.
pub(crate) const WINDOW_NAMES: [&str; WINDOWS] = ["5h", "7d"];

/// The headers of a window: its status, the part that is used, and the time of its end.
const WINDOW_HEADERS: [[&str; 3]; WINDOWS] = [
    [
        "anthropic-ratelimit-unified-5h-status",
        "anthropic-ratelimit-unified-5h-utilization",
        "anthropic-ratelimit-unified-5h-reset",
    ],
    [
        "anthropic-ratelimit-unified-7d-status",
        "anthropic-ratelimit-unified-7d-utilization",
        "anthropic-ratelimit-unified-7d-reset",
    ],
];

/// What an answer says about the credential that it was asked with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The limits by kind.
    pub(crate) buckets: [Option<Bucket>; KINDS],
    /// The windows of the account.
    pub(crate) windows: [Option<Window>; WINDOWS],
    /// The time until the account is served again, if its windows are exhausted.
    pub(crate) rejected_for: Option<Duration>,
    /// The wait that the answer asks for.
    pub(crate) retry_after: Option<Duration>,
}

/// A limit that fills up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) limit: u64,
    pub(crate) left: u64,
    /// The time until all of it is there again.
    pub(crate) full_in: Duration,
}

/// A window of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Thousandths that are used, which may be more than a thousand.
    pub(crate) used: u32,
    /// The time until its end.
    pub(crate) ends_in: Duration,
}

// === impl Reading ===

impl Reading {
    /// Reads the headers of an answer. `header` looks up a header by its name in lower case.
    pub(crate) fn of<'h>(header: impl Fn(&str) -> Option<&'h str>, now: SystemTime) -> Self {
        let unix_ms = unix_ms(now);
        let seconds = |name: &str| {
            let at: u64 = header(name)?.trim().parse().ok()?;
            until(at.saturating_mul(1000), unix_ms)
        };
        let bucket = |names: [&str; 3]| {
            let [limit, left, reset] = names.map(&header);
            Some(Bucket {
                limit: limit?.trim().parse().ok().filter(|limit| *limit > 0)?,
                left: left?.trim().parse().ok()?,
                full_in: reset.and_then(|at| date(at, unix_ms)).unwrap_or_default(),
            })
        };
        let window = |[_, used, reset]: [&str; 3]| {
            Some(Window {
                used: permille(header(used)?)?,
                ends_in: seconds(reset)?,
            })
        };
        let is_rejected = |name: &str| header(name).map(str::trim) == Some("rejected");
        let rejected = [(
            "anthropic-ratelimit-unified-status",
            "anthropic-ratelimit-unified-reset",
        )]
        .into_iter()
        .chain(WINDOW_HEADERS.map(|[status, _, reset]| (status, reset)))
        .filter(|(status, _)| is_rejected(status))
        .filter_map(|(_, reset)| seconds(reset));
        Self {
            buckets: HEADERS.map(bucket),
            windows: WINDOW_HEADERS.map(window),
            rejected_for: rejected.max(),
            retry_after: retry_after(&header, unix_ms),
        }
    }

    /// Returns the wait after a refusal for lack of room: the one that the answer asks for, or the time until what is
    /// exhausted is there again. `None` if the answer says neither.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let exhausted = || {
            let empty = self.buckets.iter().flatten().filter(|it| it.left == 0);
            empty.map(|bucket| bucket.full_in).max()
        };
        self.retry_after
            .or(self.rejected_for)
            .or_else(exhausted)
            .filter(|wait| !wait.is_zero())
    }
}

fn retry_after<'h>(header: impl Fn(&str) -> Option<&'h str>, unix_ms: u64) -> Option<Duration> {
    let thousandths = |text: &str| decimal(text, 3).map(Duration::from_millis);
    header("retry-after-ms")
        .and_then(|text| decimal(text, 0).map(Duration::from_millis))
        .or_else(|| {
            let text = header("retry-after")?;
            thousandths(text).or_else(|| {
                let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
                until(u64::try_from(date.timestamp_millis()).ok()?, unix_ms)
            })
        })
        .filter(|wait| !wait.is_zero())
        .map(|wait| wait.min(MAX_WAIT))
}

/// Parses a date of RFC 3339, and returns the time until then.
fn date(text: &str, unix_ms: u64) -> Option<Duration> {
    let date = DateTime::parse_from_rfc3339(text.trim()).ok()?;
    until(u64::try_from(date.timestamp_millis()).ok()?, unix_ms)
}

/// Returns the time until a moment; zero if it is over.
fn until(at_unix_ms: u64, now_unix_ms: u64) -> Option<Duration> {
    let left = Duration::from_millis(at_unix_ms.saturating_sub(now_unix_ms));
    Some(left.min(MAX_WAIT))
}

/// Parses a part of one, such as `0.42`, into thousandths.
fn permille(text: &str) -> Option<u32> {
    decimal(text, 3).and_then(|used| u32::try_from(used).ok())
}

/// Parses a decimal number times a power of ten. Further digits are cut off.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(places);
    digits.fold(whole.parse::<u64>().ok(), |number, digit| {
        number?
            .checked_mul(10)?
            .checked_add(u64::from(digit.saturating_sub(b'0')))
    })
}

fn unix_ms(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30T06:00:00Z.
    const NOW: u64 = 1_796_018_400;

    fn read(headers: &[(&str, &'static str)]) -> Reading {
        let header = |name: &str| {
            let found = headers.iter().find(|(header, _)| *header == name);
            found.map(|(_, value)| *value)
        };
        Reading::of(header, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn limits_are_read_with_the_time_until_they_are_full() {
        let reading = read(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-11-30T06:00:01Z"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "0"),
            (
                "anthropic-ratelimit-output-tokens-reset",
                "2026-11-30T07:01:00+01:00",
            ),
            ("anthropic-ratelimit-input-tokens-limit", "many"),
        ]);
        let requests = Bucket {
            limit: 50,
            left: 49,
            full_in: Duration::from_secs(1),
        };
        assert_eq!(reading.buckets[0], Some(requests), "requests");
        assert_eq!(
            reading.buckets[1..3],
            [None, None],
            "not stated, or not read"
        );
        assert_eq!(
            reading.wait(),
            Some(Duration::from_secs(60)),
            "until the tokens are there again"
        );
    }

    #[test]
    fn the_windows_of_an_account_are_read_in_thousandths() {
        let reading = read(&[
            ("anthropic-ratelimit-unified-status", "rejected"),
            ("anthropic-ratelimit-unified-reset", "1796018700"),
            ("anthropic-ratelimit-unified-5h-status", "rejected"),
            ("anthropic-ratelimit-unified-5h-utilization", "1.0213"),
            ("anthropic-ratelimit-unified-5h-reset", "1796018700"),
            ("anthropic-ratelimit-unified-7d-utilization", "0.4"),
            ("anthropic-ratelimit-unified-7d-reset", "1796104800"),
        ]);
        let used = reading
            .windows
            .map(|window| window.map(|window| window.used));
        assert_eq!(used, [Some(1021), Some(400)], "both windows");
        let five_minutes = Some(Duration::from_secs(300));
        assert_eq!(reading.rejected_for, five_minutes, "the exhausted one");
        assert_eq!(reading.wait(), five_minutes, "and so the wait");
    }

    #[test]
    fn the_wait_that_is_asked_for_comes_before_all_others_and_is_bounded() {
        let empty = ("anthropic-ratelimit-requests-remaining", "0");
        let wait = |name, value| {
            let limit = ("anthropic-ratelimit-requests-limit", "5");
            let reset = ("anthropic-ratelimit-requests-reset", "2026-11-30T06:01:00Z");
            read(&[limit, empty, reset, (name, value)]).wait()
        };
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(wait("retry-after", "2.5"), millis(2500), "seconds");
        assert_eq!(wait("retry-after-ms", "20"), millis(20), "milliseconds");
        assert_eq!(
            wait("retry-after", "Mon, 30 Nov 2026 06:00:10 GMT"),
            millis(10_000),
            "a date"
        );
        assert_eq!(wait("retry-after", "0"), millis(60_000), "none: the reset");
        assert_eq!(wait("retry-after", "soon"), millis(60_000), "no number");
        assert_eq!(
            wait("retry-after", "99999999999"),
            Some(MAX_WAIT),
            "bounded"
        );
        let absurd = "99999999999999999999999999";
        assert_eq!(wait("retry-after", absurd), millis(60_000), "no number");
    }

    #[test]
    fn an_answer_without_headers_says_nothing() {
        assert_eq!(read(&[]), Reading::default(), "nothing");
        assert_eq!(read(&[]).wait(), None, "and no wait");
    }
}

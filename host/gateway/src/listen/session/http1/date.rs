//! The `Date` of responses whose upstream gave none (RFC 9110, section 6.6.1).

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

thread_local! {
    /// The header line for a second since 1970.
    static LINE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Writes the header line with the present time.
pub(super) fn write(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let second = now.unwrap_or_default().as_secs();
    LINE.with_borrow_mut(|(of, line)| {
        if *of != second {
            let time = UNIX_EPOCH + Duration::from_secs(second);
            *line = format!("date: {}\r\n", httpdate::fmt_http_date(time));
            *of = second;
        }
        out.extend_from_slice(line.as_bytes());
    });
}

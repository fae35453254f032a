//! Any bytes cut anywhere: the reading is that of the uncut body, and the output never falls.

#![no_main]

use libfuzzer_sys::fuzz_target;
use witgate_messages::{Meter, PriceBook};

fuzz_target!(|input: (u8, &[u8])| {
    let (size, body) = input;
    for new in [Meter::sse, Meter::json, Meter::opaque] {
        let mut whole = new();
        whole.feed(body);
        let mut cut = new();
        let mut output = 0;
        for chunk in body.chunks(usize::from(size).max(1)) {
            cut.feed(chunk);
            assert!(cut.output_so_far() >= output, "the output never falls");
            output = cut.output_so_far();
        }
        assert_eq!(cut.reading(), whole.reading(), "cuts change nothing");
        let reading = cut.finish();
        let _ = PriceBook::default().cost("any", &reading.usage);
    }
});

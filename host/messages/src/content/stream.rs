//! The texts of an event stream on its way to the client.
//!
//! Events whose text a guard passes leave as they came and at once. While a guard holds back the end of a text, the event with it
//! waits, and those after it, so that their order stays; pings and comments don't wait. A changed text goes into the newest event
//! of it that waits; the events before it lose theirs. A signature of thinking that was changed is left out.

use serde::de::IgnoredAny;

use super::event::{DeltaContent, Event};
use super::frames::Frames;
use super::parts::Side;
use super::queue::{Emptied, Queue, Waiting};
use super::{Inspect, Kind, Passage, Text, made};
use crate::json::{Malformed, unescape_lossy};

/// A stream between its upstream and its client.
#[derive(Debug, Default)]
pub struct Stream {
    frames: Frames,
    queue: Queue,
    blocks: Vec<Block>,
    /// The number of the next text.
    next: u32,
    end: End,
}

/// A content block that has begun and not ended.
#[derive(Debug)]
struct Block {
    index: u64,
    /// The text that its deltas are pieces of.
    text: Option<Open>,
    /// Set once thinking was changed.
    unsigned: bool,
}

/// A text whose end has not come.
#[derive(Debug, Clone, Copy)]
struct Open {
    number: u32,
    kind: Kind,
}

/// The bytes that the client gets after the end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// None: the upstream ended the stream.
    Nothing,
    /// Another event, which the gateway adds.
    Event,
}

/// The state of the message's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// The guards have been asked about it.
    Asked,
}

// === impl Stream ===

impl Stream {
    /// Returns the number of bytes that wait.
    pub fn held(&self) -> usize {
        self.queue.len() + self.frames.len()
    }

    /// Reads the next bytes of the upstream, and adds those that may leave to `out`: whole events only.
    ///
    /// # Errors
    /// A guard ends the stream. Nothing of the piece that it was asked about is in `out`.
    pub fn feed<I: Inspect>(
        &mut self,
        chunk: &[u8],
        guard: &mut I,
        out: &mut Vec<u8>,
    ) -> Result<(), I::Stop> {
        let mut frames = std::mem::take(&mut self.frames);
        let fed = frames.feed(chunk, |raw| self.event(raw, guard, out));
        self.frames = frames;
        if fed.is_err() {
            self.withhold(out);
        }
        fed
    }

    /// Ends the stream after the bytes so far. What was held back is inspected as the end of its text. An event that lacks
    /// the empty line after it leaves if it is whole otherwise, and gets that line if another event follows it.
    ///
    /// # Errors
    /// A guard ends the stream.
    pub fn finish<I: Inspect>(
        &mut self,
        follows: Follows,
        guard: &mut I,
        out: &mut Vec<u8>,
    ) -> Result<(), I::Stop> {
        let mut rest = self.frames.take();
        let data = Event::read(&rest);
        let whole = serde_json::from_slice::<IgnoredAny>(data.data()).is_ok();
        let came = rest.len();
        if whole {
            rest.extend_from_slice(missing_end(&rest));
        }
        let mut finished = Ok(());
        if whole || rest.trim_ascii().is_empty() {
            finished = self.event(&rest, guard, out);
        }
        let finished = finished.and_then(|()| self.close_all(guard));
        if finished.is_err() {
            self.queue.withhold();
        }
        self.queue.flush(out);
        if follows == Follows::Nothing && finished.is_ok() && out.ends_with(&rest) {
            out.truncate(out.len() - (rest.len() - came));
        }
        finished
    }

    /// Ends the message as if the model had refused to go on: ends its open blocks, and gives the reason.
    pub fn refuse(&mut self, explanation: &str, output_tokens: u64, out: &mut Vec<u8>) {
        for block in self.blocks.drain(..) {
            out.extend_from_slice(&made::end_of_block(block.index));
        }
        out.extend_from_slice(&made::refusal(explanation, output_tokens));
    }

    fn withhold(&mut self, out: &mut Vec<u8>) {
        self.queue.withhold();
        self.queue.flush(out);
    }

    fn event<I: Inspect>(
        &mut self,
        raw: &[u8],
        guard: &mut I,
        out: &mut Vec<u8>,
    ) -> Result<(), I::Stop> {
        let event = Event::read(raw);
        if let Some(delta) = event.delta_at_once() {
            return self.delta(&event, delta.block, delta.content, guard, out);
        }
        match &*event.kind() {
            "ping" => {
                out.extend_from_slice(raw);
                return Ok(());
            }
            _ if !event.has_data() && raw.first() == Some(&b':') => {
                out.extend_from_slice(raw);
                return Ok(());
            }
            "content_block_delta" => {
                let delta = event.delta();
                return self.delta(&event, delta.block, delta.content, guard, out);
            }
            "content_block_start" => return self.start(&event, guard, out),
            "content_block_stop" => {
                let index = event.block();
                self.close(index, guard)?;
                self.blocks.retain(|block| block.index != index);
            }
            "message_delta" => {
                self.close_all(guard)?;
                if event.ends_message() {
                    self.end(guard)?;
                }
            }
            "message_stop" => {
                self.close_all(guard)?;
                self.end(guard)?;
            }
            "error" => self.close_all(guard)?,
            _ => {}
        }
        self.pass(raw, out);
        Ok(())
    }

    /// Lets an event leave behind those that wait.
    fn pass(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.queue.flush(out);
        if self.queue.is_empty() {
            out.extend_from_slice(raw);
        } else {
            self.queue.push(raw.to_vec(), None);
        }
    }

    fn start<I: Inspect>(
        &mut self,
        event: &Event<'_>,
        guard: &mut I,
        out: &mut Vec<u8>,
    ) -> Result<(), I::Stop> {
        let index = event.block();
        self.close(index, guard)?;
        self.blocks.retain(|block| block.index != index);
        self.blocks.push(Block {
            index,
            text: None,
            unsigned: false,
        });
        let mut texts: Vec<Text<'_>> = Vec::new();
        if let Some(block) = event.member("content_block") {
            // What a client can't read either ends the list.
            let _ = block.all::<Malformed>(Kind::Text, Side::Response, &mut |text| {
                texts.push(text);
                Ok(())
            });
        }
        texts.retain(|text| guard.wants(text.kind));
        // Deltas add to such a text.
        if let [text] = &*texts
            && matches!(text.kind, Kind::Text | Kind::Thinking)
        {
            let (kind, span) = (text.kind, text.span.clone());
            return self.piece(event, index, kind, span, Emptied::Stays, guard, out);
        }
        let mut cuts = Vec::new();
        for text in &texts {
            let number = self.number();
            let passage = guard.inspect(text.kind, number, &text.decoded(), true)?;
            cuts.extend(passage.changed.iter().flat_map(|new| text.cuts(new)));
        }
        if cuts.is_empty() {
            self.pass(event.raw, out);
        } else {
            self.pass(&event.rewritten(&mut cuts), out);
        }
        Ok(())
    }

    fn delta<I: Inspect>(
        &mut self,
        event: &Event<'_>,
        block: u64,
        content: DeltaContent,
        guard: &mut I,
        out: &mut Vec<u8>,
    ) -> Result<(), I::Stop> {
        match content {
            DeltaContent::Text(kind, span) if !span.is_empty() && guard.wants(kind) => {
                self.piece(event, block, kind, span, Emptied::Goes, guard, out)
            }
            DeltaContent::Signature => {
                self.close(block, guard)?;
                let unsigned = |it: &Block| it.index == block && it.unsigned;
                if self.blocks.iter().any(unsigned) {
                    self.queue.flush(out);
                } else {
                    self.pass(event.raw, out);
                }
                Ok(())
            }
            DeltaContent::Text(..) | DeltaContent::Other => {
                self.pass(event.raw, out);
                Ok(())
            }
        }
    }

    /// Inspects a piece of a block's text.
    #[expect(
        clippy::too_many_arguments,
        reason = "an event, its place and its way out"
    )]
    fn piece<I: Inspect>(
        &mut self,
        event: &Event<'_>,
        block: u64,
        kind: Kind,
        span: std::ops::Range<usize>,
        emptied: Emptied,
        guard: &mut I,
        out: &mut Vec<u8>,
    ) -> Result<(), I::Stop> {
        let number = self.open(block, kind, guard)?;
        let text = unescape_lossy(event.data().get(span.clone()).unwrap_or_default());
        let passage = guard.inspect(kind, number, &text, false)?;
        if self.queue.is_empty() && passage == Passage::default() {
            out.extend_from_slice(event.raw);
            return Ok(());
        }
        self.queue.push(
            event.raw.to_vec(),
            Some(Waiting {
                text: number,
                span,
                len: text.len(),
                passed: 0,
                emptied,
            }),
        );
        self.apply(block, number, kind, &passage);
        self.queue.flush(out);
        Ok(())
    }

    /// Returns the number of a block's text, which begins here if the block has none of this kind.
    fn open<I: Inspect>(&mut self, index: u64, kind: Kind, guard: &mut I) -> Result<u32, I::Stop> {
        let place = self.blocks.iter().position(|block| block.index == index);
        let open = place.and_then(|place| self.blocks.get(place)?.text);
        match open {
            Some(open) if open.kind == kind => return Ok(open.number),
            Some(_) => self.close(index, guard)?,
            None => {}
        }
        let number = self.number();
        let text = Some(Open { number, kind });
        match place.and_then(|place| self.blocks.get_mut(place)) {
            Some(block) => block.text = text,
            None => self.blocks.push(Block {
                index,
                text,
                unsigned: false,
            }),
        }
        Ok(number)
    }

    /// Ends the text of a block.
    fn close<I: Inspect>(&mut self, index: u64, guard: &mut I) -> Result<(), I::Stop> {
        let mut blocks = self.blocks.iter_mut();
        let block = blocks.find(|block| block.index == index);
        let Some(Open { number, kind }) = block.and_then(|block| block.text.take()) else {
            return Ok(());
        };
        let passage = Passage {
            held: 0,
            ..guard.inspect(kind, number, "", true)?
        };
        self.apply(index, number, kind, &passage);
        Ok(())
    }

    fn close_all<I: Inspect>(&mut self, guard: &mut I) -> Result<(), I::Stop> {
        let open: Vec<u64> = self.blocks.iter().map(|block| block.index).collect();
        open.into_iter()
            .try_for_each(|index| self.close(index, guard))
    }

    /// Asks about the end of the message, once.
    fn end<I: Inspect>(&mut self, guard: &mut I) -> Result<(), I::Stop> {
        if self.end == End::Open && guard.wants(Kind::End) {
            let number = self.number();
            guard.inspect(Kind::End, number, "", true)?;
        }
        self.end = End::Asked;
        Ok(())
    }

    /// Does to the waiting events what the guards said.
    fn apply(&mut self, block: u64, number: u32, kind: Kind, passage: &Passage) {
        let Some(new) = &passage.changed else {
            self.queue.release(number, passage.held);
            return;
        };
        if !self.queue.replace(number, new) && !new.is_empty() {
            self.queue.push(made::owed(block, kind, new), None);
        }
        if kind == Kind::Thinking {
            let mut blocks = self.blocks.iter_mut();
            if let Some(block) = blocks.find(|it| it.index == block) {
                block.unsigned = true;
            }
        }
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }
}

/// Returns the line ends that an event lacks.
fn missing_end(event: &[u8]) -> &'static [u8] {
    match event.last() {
        Some(b'\n') => b"\n",
        // Behind a CR, an LF belongs to the same line end, and so it does in the middle of a line.
        _ => b"\n\n",
    }
}

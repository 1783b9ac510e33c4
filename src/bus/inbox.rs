//! What a member has drained and not yet handed out: the bodies of a batch side by side in one buffer, which is filled anew
//! once they are handed out, so that a message costs no allocation until somebody keeps it.

use super::attachment::TopicRef;
use super::envelope;
use super::message::{Message, MessageRef, Request};
use super::reader::{Drained, Head, Sink};
use super::replay::Kept;
use crate::registry::TopicId;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Bytes one batch takes. No more than stay in the cache until they are used.
const BATCH_BYTES: usize = 64 << 10;
/// A buffer that was grown beyond this for a long message is not kept.
const KEPT_BYTES: usize = 1 << 20;

/// The topics subscribed to by their names, by index.
pub(super) type Names = HashMap<u32, Named>;

/// A topic subscribed to by its name, from a position on.
#[derive(Debug)]
pub(super) struct Named {
    pub topic: TopicRef,
    /// As its messages are told: of requests the topic that they are requests of.
    pub name: Arc<str>,
    pub from: u64,
    pub kind: Kind,
}

/// What comes of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Messages,
    /// Requests, and the member that this is: its own it does not answer.
    Requests(u32),
    /// Answers to requests: not handed out, but kept apart.
    Answers,
}

impl Named {
    /// Whether a message is for it. Before it a pattern may have begun to read the topic.
    pub fn is_for(&self, head: &Head) -> bool {
        self.topic.id == head.topic && head.position >= self.from
    }
}

/// By what a message came: its topic's name, or a pattern that matches it.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub topic: Arc<str>,
    pub pattern: Option<Arc<str>>,
    pub kind: Kind,
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// In their order; none of them empty, and only the first handed out in part.
    batches: VecDeque<Batch>,
    /// The one handed out last, for its buffers.
    spare: Batch,
    /// Of all bodies that wait.
    bytes: usize,
    answers: Vec<Message>,
}

/// What one drain took.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Entry>,
    /// The first that is not handed out.
    next: usize,
    /// Of each run of messages that came alike, by what.
    labels: Vec<Label>,
    /// The group they were taken from, and its row.
    group: Option<(Arc<str>, u32)>,
    /// As long as it ever was, so that nothing is cleared before it is overwritten.
    buffer: Vec<u8>,
    used: usize,
}

#[derive(Debug)]
struct Entry {
    head: Head,
    /// Among the batch's labels.
    label: usize,
    /// Of its body in the buffer.
    start: usize,
    request: Option<Request>,
}

impl Entry {
    fn body(&self) -> Range<usize> {
        self.start..self.start + self.head.len
    }
}

impl Inbox {
    /// Messages that wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.entries.len() - batch.next).sum()
    }

    /// Bytes of the bodies that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The position of the next message to be handed out. What is on loan is over.
    #[inline]
    pub fn position(&mut self) -> Option<u64> {
        self.recycle();
        let batch = self.batches.front()?;
        Some(batch.entries[batch.next].head.position)
    }

    /// Where the next message stands, if it comes by its topic's name.
    pub fn head(&self) -> Option<&Head> {
        let batch = self.batches.front()?;
        let entry = batch.entries.get(batch.next)?;
        batch.labels[entry.label].pattern.is_none().then_some(&entry.head)
    }

    /// The next message, if it is a request, and its topic.
    pub fn request(&self) -> Option<(TopicId, Request)> {
        let batch = self.batches.front()?;
        let entry = batch.entries.get(batch.next)?;
        Some((entry.head.topic, entry.request?))
    }

    /// Takes in what a drain finds of these topics.
    pub fn take_in(&mut self, names: &Names, drain: impl FnOnce(&mut Taking<'_>) -> Drained) -> Drained {
        self.recycle();
        let drained = drain(&mut Taking { names: Some(names), batch: &mut self.spare, run: None });
        self.keep(self.spare.used);
        drained
    }

    /// Takes in all that a drain finds: `hand_out` follows.
    pub fn take_in_all(&mut self, drain: impl FnOnce(&mut Taking<'_>) -> Drained) -> Drained {
        self.recycle();
        drain(&mut Taking { names: None, batch: &mut self.spare, run: None })
    }

    /// Of each message taken in last, says by what it comes: once for each. They share its bytes.
    pub fn hand_out(&mut self, labels_of: impl Fn(&Head) -> Vec<Label>) {
        let batch = &mut self.spare;
        let mut bytes = 0;
        for Entry { head, start, .. } in std::mem::take(&mut batch.entries) {
            for label in labels_of(&head) {
                batch.entries.push(Entry { head, label: batch.labels.len(), start, request: None });
                batch.labels.push(label);
                bytes += head.len;
            }
        }
        self.keep(bytes);
    }

    fn keep(&mut self, mut bytes: usize) {
        if self.spare.labels.iter().any(|label| label.kind != Kind::Messages) {
            self.spare.unwrap(&mut self.answers);
            bytes = self.spare.entries.iter().map(|entry| entry.head.len).sum();
        }
        if self.spare.entries.is_empty() {
            self.spare.clear();
        } else {
            self.bytes += bytes;
            self.batches.push_back(std::mem::take(&mut self.spare));
        }
    }

    /// Takes in what was kept of a topic's past, as a batch of its own.
    pub fn put(&mut self, name: &Arc<str>, past: impl IntoIterator<Item = Kept>) {
        let mut batch = Batch {
            labels: vec![Label { topic: name.clone(), pattern: None, kind: Kind::Messages }],
            ..Batch::default()
        };
        for Kept { head, body } in past {
            batch.entries.push(Entry { head, label: 0, start: batch.used, request: None });
            batch.buffer.extend_from_slice(&body);
            batch.used += body.len();
        }
        if !batch.entries.is_empty() {
            self.bytes += batch.used;
            self.batches.push_back(batch);
        }
    }

    /// Hands the next message out as a loan: its bytes lie where they are until the inbox is used again.
    #[inline]
    pub fn lend(&mut self) -> Option<MessageRef<'_>> {
        self.recycle();
        let Batch { entries, next, labels, group, buffer, .. } = self.batches.front_mut()?;
        let entry = &entries[*next];
        *next += 1;
        self.bytes -= entry.head.len;
        let (Label { topic, pattern, .. }, group) =
            (&labels[entry.label], group.as_ref().map(|(name, _)| name));
        let (head, pattern) = (&entry.head, pattern.as_ref());
        let (body, request) = (&buffer[entry.body()], entry.request);
        Some(MessageRef { head, topic, pattern, group, body, request })
    }

    /// Hands the next message out for good.
    pub fn pop(&mut self) -> Option<Message> {
        self.lend().map(|message| message.to_message())
    }

    /// The answers that have come since this was asked last.
    pub fn take_answers(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.answers)
    }

    /// The requests that wait of a topic of requests.
    pub fn requests_of(&self, topic: TopicId) -> Vec<Request> {
        let waiting = self.batches.iter().flat_map(|batch| &batch.entries[batch.next..]);
        waiting.filter(|entry| entry.head.topic == topic).filter_map(|entry| entry.request).collect()
    }

    /// Drops what waits of a topic, by its name; not of its groups, for nobody else will have that.
    pub fn forget(&mut self, topic: TopicId) {
        self.retain(|head, label| head.topic != topic || label.pattern.is_some());
    }

    /// Drops what waits by a pattern.
    pub fn forget_pattern(&mut self, pattern: &str) {
        self.retain(|_, label| label.pattern.as_deref() != Some(pattern));
    }

    fn retain(&mut self, is_kept: impl Fn(&Head, &Label) -> bool) {
        let own = self.batches.iter_mut().filter(|batch| batch.group.is_none());
        for Batch { entries, next, labels, .. } in own {
            entries.drain(..*next);
            *next = 0;
            entries.retain(|entry| is_kept(&entry.head, &labels[entry.label]));
        }
        self.batches.retain(|batch| !batch.entries.is_empty());
        let waiting = self.batches.iter().flat_map(|batch| &batch.entries);
        self.bytes = waiting.map(|entry| entry.head.len).sum();
    }

    /// The first batch's buffers are free again once it is handed out to its end: not before, for what is on loan lies there.
    #[inline]
    fn recycle(&mut self) {
        if self.batches.front().is_some_and(|batch| batch.next == batch.entries.len())
            && let Some(batch) = self.batches.pop_front()
        {
            self.spare = batch;
            self.spare.clear();
        }
    }
}

impl Batch {
    /// Takes requests and answers out of what they are wrapped in; answers are put apart, what is neither goes.
    fn unwrap(&mut self, answers: &mut Vec<Message>) {
        let Batch { entries, labels, buffer, group, .. } = self;
        let row = group.as_ref().map(|(_, row)| *row);
        entries.retain_mut(|entry| {
            let Label { topic, kind, .. } = &labels[entry.label];
            let body = &buffer[entry.body()];
            match kind {
                Kind::Messages => true,
                Kind::Requests(me) => {
                    let asked = envelope::request(body, row).filter(|(asked, _)| asked.member != *me);
                    let Some((asked, value)) = asked else { return false };
                    entry.request = Some(asked);
                    entry.start += entry.head.len - value.len();
                    entry.head.len = value.len();
                    true
                }
                Kind::Answers => {
                    let (head, topic, body) = (entry.head, topic.clone(), body.to_vec());
                    answers.push(Message { head, topic, pattern: None, group: None, body, request: None });
                    false
                }
            }
        });
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.labels.clear();
        self.group = None;
        (self.next, self.used) = (0, 0);
        if self.buffer.len() > KEPT_BYTES {
            self.buffer = Vec::new();
        }
    }
}

/// A drain under way: believed once it has returned, taken back if it says so.
pub(super) struct Taking<'a> {
    /// None: all of them.
    names: Option<&'a Names>,
    batch: &'a mut Batch,
    /// Who has subscribed to the topic of the last message: mostly the next one's too, and then not looked up again.
    run: Option<&'a Named>,
}

impl Taking<'_> {
    /// What was taken is of a group.
    pub fn belongs_to(&mut self, name: Arc<str>, row: u32) {
        self.batch.group = Some((name, row));
    }
}

impl Sink for Taking<'_> {
    fn fits(&mut self, len: usize) -> bool {
        self.batch.used == 0 || self.batch.used + len <= BATCH_BYTES
    }
    fn take(&mut self, head: &Head, copy: impl FnOnce(&mut [u8])) {
        let batch = &mut *self.batch;
        if let Some(names) = self.names
            && !self.run.is_some_and(|named| named.is_for(head))
        {
            let known = names.get(&head.topic.index).filter(|named| named.is_for(head));
            let Some(named) = known else { return };
            batch.labels.push(Label { topic: named.name.clone(), pattern: None, kind: named.kind });
            self.run = Some(named);
        }
        let label = batch.labels.len().saturating_sub(1);
        let entry = Entry { head: *head, label, start: batch.used, request: None };
        let body = entry.body();
        if batch.buffer.len() < body.end {
            batch.buffer.resize(body.end.max(BATCH_BYTES), 0);
        }
        copy(&mut batch.buffer[body]);
        batch.used += head.len;
        batch.entries.push(entry);
    }
    fn discard(&mut self) {
        self.batch.clear();
        self.run = None;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const TOPIC: TopicId = TopicId { index: 3, generation: 1 };
    const OTHER: TopicId = TopicId { index: 4, generation: 1 };

    fn names() -> Names {
        [(TOPIC, "t"), (OTHER, "other")]
            .into_iter()
            .map(|(id, name)| {
                let topic = TopicRef { id, hash: 0 };
                (id.index, Named { topic, name: name.into(), from: 0, kind: Kind::Messages })
            })
            .collect()
    }

    fn head(topic: TopicId, position: u64, len: usize) -> Head {
        Head { topic, position, sequence: 1, member: 1, pid: 1, time_ms: 0, flags: 0, len }
    }

    /// A drain that takes messages so long, each filled with its position.
    fn take_in(inbox: &mut Inbox, messages: &[(TopicId, u64, usize)]) {
        inbox.take_in(&names(), |taking| {
            for &(topic, position, len) in messages {
                assert!(taking.fits(len));
                taking.take(&head(topic, position, len), |bytes| bytes.fill(position as u8));
            }
            Drained::All
        });
    }

    fn lent(inbox: &mut Inbox) -> Option<(String, u64, Vec<u8>)> {
        inbox.lend().map(|message| (message.topic().to_owned(), message.position(), message.bytes().to_vec()))
    }

    #[test]
    fn what_was_taken_in_is_handed_out_once_in_its_order_and_from_a_buffer_that_is_used_again() {
        let mut inbox = Inbox::default();
        for round in 0..3 {
            take_in(&mut inbox, &[(TOPIC, 1, 5), (OTHER, 2, 0), (TOPIC, 3, 2)]);
            take_in(&mut inbox, &[(OTHER, 4, 1)]);
            assert_eq!((inbox.bytes(), inbox.position()), (8, Some(1)), "round {round}");
            assert_eq!(lent(&mut inbox), Some(("t".into(), 1, vec![1; 5])));
            assert_eq!(lent(&mut inbox), Some(("other".into(), 2, vec![])));
            let kept = inbox.pop().expect("a message");
            assert_eq!(lent(&mut inbox), Some(("other".into(), 4, vec![4])));
            assert_eq!((kept.topic(), kept.position(), kept.bytes()), ("t", 3, &[3, 3][..]));
            assert_eq!((lent(&mut inbox), inbox.bytes(), inbox.position()), (None, 0, None));
        }
        inbox.take_in(&names(), |_| Drained::All);
        assert!(inbox.spare.buffer.len() == BATCH_BYTES && inbox.batches.is_empty());
    }

    #[test]
    fn of_a_drain_that_is_not_believed_nothing_is_handed_out() {
        let mut inbox = Inbox::default();
        take_in(&mut inbox, &[(TOPIC, 1, 4)]);
        let drained = inbox.take_in(&names(), |taking| {
            taking.take(&head(TOPIC, 2, 4), |bytes| bytes.fill(9));
            taking.discard();
            Drained::Cut
        });
        assert_eq!((drained, inbox.bytes()), (Drained::Cut, 4));
        assert_eq!(lent(&mut inbox), Some(("t".into(), 1, vec![1; 4])));
        assert!(inbox.position().is_none() && inbox.pop().is_none());
    }

    #[test]
    fn what_waits_of_a_topic_is_forgotten_with_it() {
        let mut inbox = Inbox::default();
        take_in(&mut inbox, &[(TOPIC, 1, 1), (OTHER, 2, 2), (TOPIC, 3, 3)]);
        take_in(&mut inbox, &[(TOPIC, 4, 4)]);
        assert!(inbox.lend().is_some());
        inbox.forget(TOPIC);
        assert_eq!((inbox.bytes(), inbox.position()), (2, Some(2)));
        assert_eq!(lent(&mut inbox), Some(("other".into(), 2, vec![2; 2])));
        assert!(lent(&mut inbox).is_none());
    }

    #[test]
    fn a_batch_ends_where_its_buffer_does_unless_one_message_is_longer() {
        let mut inbox = Inbox::default();
        take_in(&mut inbox, &[(TOPIC, 1, 2 * KEPT_BYTES)]);
        assert_eq!(inbox.pop().map(|message| message.bytes().len()), Some(2 * KEPT_BYTES));
        inbox.take_in(&names(), |taking| {
            assert!(taking.batch.buffer.is_empty(), "not kept");
            assert!(taking.fits(BATCH_BYTES - 1));
            taking.take(&head(TOPIC, 2, BATCH_BYTES - 1), |_| {});
            assert!(taking.fits(1) && !taking.fits(2));
            Drained::More
        });
    }
}

//! Aeron over IPC. Its media driver runs in a process of its own, whose CPU counts. A body is copied into the log and read
//! where it lies; one of 64 KiB is more than the largest frame, and put together again by the client.

use super::{Idle, Line, Trial};
use rusteron_client::{
    Aeron as Client, AeronContext, AeronExclusivePublication, AeronFragmentClosureAssembler, AeronHeader,
    AeronOfferError, AeronPublication, AeronSubscription, Handlers, IntoCString,
};
use rusteron_media_driver::bindings::aeron_threading_mode_enum::AERON_THREADING_MODE_SHARED;
use rusteron_media_driver::{AeronDriver, AeronDriverContext};
use std::io::Read;
use std::time::Duration;

/// The most that Aeron allows for a frame.
const MTU: usize = 65_504;
const FRAME_HEADER: usize = 32;
const CHANNEL: &std::ffi::CStr = c"aeron:ipc";
const PATIENCE: Duration = Duration::from_secs(10);
/// As many as its own throughput samples take at once.
const FRAGMENTS: usize = 10;

fn folder(trial: &Trial) -> std::ffi::CString {
    format!("/dev/shm/aeron-{}", trial.name).into_c_string()
}

/// The media driver, until its standard input ends.
pub fn drive(trial: &Trial, ready: impl FnOnce()) {
    let context = AeronDriverContext::new().expect("context");
    let set = || {
        context.set_dir(&folder(trial))?;
        context.set_dir_delete_on_start(true)?;
        context.set_dir_delete_on_shutdown(true)?;
        context.set_threading_mode(AERON_THREADING_MODE_SHARED)?;
        context.set_ipc_mtu_length(MTU)?;
        context.set_term_buffer_sparse_file(false)?;
        // The window is half a term unless one says otherwise; a term is at least eight of the longest message.
        context.set_ipc_term_buffer_length(trial.window)?;
        context.set_ipc_publication_term_window_length(trial.window)
    };
    set().expect("options");
    let driver = AeronDriver::new(&context).expect("driver");
    driver.start(false).expect("started");
    ready();
    let _ = std::io::stdin().read(&mut [0]);
}

enum Publication {
    Shared(AeronPublication),
    Exclusive(AeronExclusivePublication),
}

impl Publication {
    #[inline]
    fn offer(&self, body: &[u8]) -> Result<i64, AeronOfferError> {
        match self {
            Publication::Shared(publication) => publication.offer(body),
            Publication::Exclusive(publication) => publication.offer(body),
        }
    }
}

/// `EXCLUSIVE`: by the kind of publication that only one may hold, which needs no atomic add per message.
pub struct Aeron<const EXCLUSIVE: bool> {
    publication: Option<Publication>,
    subscription: Option<AeronSubscription>,
    assembler: Option<AeronFragmentClosureAssembler>,
    _client: Client,
}

fn stream(topic: &str) -> i32 {
    if topic == "there" { 1 } else { 2 }
}

impl<const EXCLUSIVE: bool> Line for Aeron<EXCLUSIVE> {
    fn join(trial: &Trial, sends: Option<&str>, reads: Option<&str>) -> Self {
        let context = AeronContext::new().expect("context");
        context.set_dir(&folder(trial)).expect("folder");
        let client = Client::new(&context).expect("client");
        client.start().expect("started");
        let subscription = reads.map(|topic| {
            let adding =
                client.async_add_subscription(CHANNEL, stream(topic), Handlers::NONE, Handlers::NONE);
            adding.expect("subscription").poll_blocking(PATIENCE).expect("subscribed")
        });
        let publication = sends.map(|topic| {
            if EXCLUSIVE {
                let adding = client.async_add_exclusive_publication(CHANNEL, stream(topic));
                Publication::Exclusive(
                    adding.expect("publication").poll_blocking(PATIENCE).expect("published"),
                )
            } else {
                let adding = client.async_add_publication(CHANNEL, stream(topic));
                Publication::Shared(adding.expect("publication").poll_blocking(PATIENCE).expect("published"))
            }
        });
        let assembler = (trial.len > MTU - FRAME_HEADER)
            .then(|| AeronFragmentClosureAssembler::new().expect("assembler"));
        Aeron { publication, subscription, assembler, _client: client }
    }

    #[inline]
    fn send(&mut self, body: &[u8]) {
        let publication = self.publication.as_ref().expect("one that sends");
        let mut idle = Idle::default();
        // Not connected counts as full: whoever reads is just joining.
        while let Err(refused) = publication.offer(body) {
            assert!(refused.is_retryable(), "offer: {refused}");
            idle.wait();
        }
    }

    #[inline]
    fn take(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        fn whole<F: FnMut(&[u8])>(each: &mut F, body: &[u8], _: AeronHeader) {
            each(body);
        }
        let subscription = self.subscription.as_ref().expect("one that reads");
        let fragments = match &mut self.assembler {
            Some(assembler) => assembler.poll(subscription, &mut each, whole, FRAGMENTS),
            None => subscription.poll_fn(|body, _| each(body), FRAGMENTS),
        };
        fragments.expect("poll") > 0
    }
}

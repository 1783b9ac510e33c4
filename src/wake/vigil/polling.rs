//! Orders are bytes in a pipe, which is polled beside the semaphore's descriptor.

use crate::wake::Waitable;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};

const GO_ON: u8 = 1;
const END: u8 = 2;

#[derive(Debug)]
pub(crate) struct Orders {
    said: PipeWriter,
}

#[derive(Debug)]
pub(crate) struct Vigil {
    semaphore: BorrowedFd<'static>,
    heard: PipeReader,
}

/// # Safety
/// As for `Vigil::of`.
pub(super) unsafe fn vigil(semaphore: Waitable) -> io::Result<(Orders, Vigil)> {
    let (heard, said) = pipe()?;
    // SAFETY: passed on from this function's own contract.
    let semaphore = unsafe { semaphore.borrow() };
    Ok((Orders { said }, Vigil { semaphore, heard }))
}

// A byte finds room: there is never more than two of them. After the end nobody may be there to read it.
impl Orders {
    pub fn go_on(&self) {
        let _ = (&self.said).write_all(&[GO_ON]);
    }

    pub fn end(&self) {
        let _ = (&self.said).write_all(&[END]);
    }
}

impl Vigil {
    /// Until there is a post. False: it is over.
    pub fn until_posted(&mut self) -> bool {
        let mut fds = [PollFd::new(&self.semaphore, PollFlags::IN), PollFd::new(&self.heard, PollFlags::IN)];
        // Interrupted: as if there were a post, whoever is told will see.
        let _ = poll(&mut fds, None);
        fds[1].revents().is_empty()
    }

    /// Until it may go on. False: it is over.
    pub fn until_told(&mut self) -> bool {
        let mut word = [END];
        (&self.heard).read_exact(&mut word).is_ok() && word == [GO_ON]
    }
}

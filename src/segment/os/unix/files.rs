//! Files and folders: an owner, a group and a mode each.

use crate::segment::place::{PlaceError, Stranger};
use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Files can be shared with the members of a group.
pub const GROUPS: bool = true;

/// Of a file: the number of a user.
pub(crate) type Owner = u32;

/// The same for all users and programs, whatever their environment: they are to meet there.
pub(super) const PARENT: &str =
    if cfg!(any(target_os = "linux", target_os = "android")) { "/dev/shm" } else { "/tmp" };

/// The folder of this user's buses, or of those shared with this process' group.
pub fn root(shared: bool) -> PathBuf {
    let name = if shared {
        format!("slabcast-g{}", rustix::process::getegid().as_raw())
    } else {
        format!("slabcast-{}", rustix::process::geteuid().as_raw())
    };
    Path::new(PARENT).join(name)
}

/// What the folder of a bus is called.
pub fn folder_name(bus: &str) -> String {
    bus.to_owned()
}

/// Bytes free in the file system of the buses.
pub fn free_bytes() -> u64 {
    rustix::fs::statvfs(PARENT).map_or(0, |fs| fs.f_bavail * fs.f_frsize)
}

/// Opens a small file for reading, whatever stands there: waits for no writer of a FIFO, follows no link.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(careful()).open(path)
}

/// Makes a file that is not there yet, for reading and writing.
pub fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
}

/// Makes a file, or empties the one that is there.
pub fn create_or_empty(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)
}

/// Gives a file just made its mode: the umask may have taken from what the group was to get.
pub fn permit(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Gives a file another name, that of one which may be there.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Removes a file, also one that somebody has open.
pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Removes what a death in `remove` left: it leaves nothing.
pub fn tidy() {}

/// Makes a folder, if there is none.
pub fn make_folder(folder: &Path, shared: bool) -> io::Result<()> {
    let mode = if shared { 0o2770 } else { 0o700 };
    match DirBuilder::new().mode(mode).create(folder) {
        // The umask may have taken from what the group was to get; and by BSD's rules (macOS) what is new is of the group of the
        // folder it is in, here everybody's, and not of who makes it.
        Ok(()) if shared => {
            let group = rustix::process::getegid().as_raw();
            std::os::unix::fs::chown(folder, None, Some(group))?;
            std::fs::set_permissions(folder, Permissions::from_mode(mode))
        }
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Refuses what is not ours: another owner (of what is shared: another group), links, wider permissions, and what is no
/// folder, or no file, as asked for.
pub fn check(path: &Path, folder: bool, shared: bool) -> Result<(), PlaceError> {
    let meta = std::fs::symlink_metadata(path).map_err(|error| PlaceError::io(path, error))?;
    if meta.nlink() == 0 {
        // Removed between the kernel's look at the name and at the file.
        return Err(PlaceError::io(path, ErrorKind::NotFound.into()));
    }
    let right_kind =
        if folder { meta.is_dir() } else { !meta.is_dir() && !meta.is_symlink() && meta.nlink() == 1 };
    let whose = Whose { owner: meta.uid(), group: meta.gid(), mode: meta.mode() };
    whose.trust(&path.display().to_string(), shared, right_kind)
}

/// Whose a file is, and who may open it.
pub(super) struct Whose {
    pub owner: u32,
    pub group: u32,
    pub mode: u32,
}

impl Whose {
    pub fn trust(&self, path: &str, shared: bool, right_kind: bool) -> Result<(), PlaceError> {
        let Whose { owner, group, mode } = *self;
        let expected = rustix::process::geteuid().as_raw();
        let trusted = if shared {
            group == rustix::process::getegid().as_raw() && mode & 0o007 == 0
        } else {
            owner == expected && mode & 0o077 == 0
        };
        if trusted && right_kind {
            return Ok(());
        }
        let mode = mode & 0o7777;
        let found = format!(
            "{path} belongs to user {owner} with mode {mode:o}; expected user {expected} and nobody else let in"
        );
        Err(Stranger { found, owner }.into())
    }
}

/// The owner of what stands there, or of the nearest folder that can be seen.
pub fn owner_of(path: &Path) -> Owner {
    let seen = path.ancestors().find_map(|at| std::fs::symlink_metadata(at).ok());
    seen.map_or(0, |meta| meta.uid())
}

pub(super) fn careful() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32
}

//! Files and folders: of one user, for one user. Who may open them is inherited from the folder of the user's local data, which
//! lets in the user, the administrators and the system.
#![allow(unsafe_code)] // calls of the system

use crate::segment::place::{PlaceError, Stranger};
use crate::windows::{sid_text, user_sid, wide};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_SUCCESS, LocalFree,
};
use windows_sys::Win32::Security::Authorization::{GetSecurityInfo, SE_FILE_OBJECT};
use windows_sys::Win32::Security::OWNER_SECURITY_INFORMATION;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, GetDiskFreeSpaceExW,
    READ_CONTROL,
};

/// There is no group to share files with.
pub const GROUPS: bool = false;

/// Of a file: a security identifier, as text.
pub(crate) type Owner = String;

/// They may do with everybody's files what they like; what one of them makes is theirs together, as the system has it.
const ADMINISTRATORS: &str = "S-1-5-32-544";
/// The system itself.
const SYSTEM: &str = "S-1-5-18";

/// How long a file may be in somebody's hands: one who reads it while it is to be replaced, one who looks through all files
/// for viruses.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(1);

/// The folder of this user's buses, and of their memory.
pub fn root(_shared: bool) -> PathBuf {
    parent().join("slabcast")
}

/// The folder of the user's local data, by the one name that all its names lead to (in small letters, short, by a link): locks
/// and marks are made of it.
fn parent() -> PathBuf {
    let told = std::env::var_os("LOCALAPPDATA").map(PathBuf::from).filter(|path| path.is_absolute());
    // A process that was started without its user's environment finds it, too.
    let parent = told.or_else(|| Some(std::env::home_dir()?.join("AppData").join("Local")));
    let parent = parent.unwrap_or_else(std::env::temp_dir);
    let _ = std::fs::create_dir_all(&parent);
    std::fs::canonicalize(&parent).map_or(parent, plain)
}

/// A full path without the prefix that says so, which not all that take paths know.
fn plain(full: PathBuf) -> PathBuf {
    match full.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(rest) => match rest.strip_prefix(r"UNC\") {
            Some(share) => format!(r"\\{share}").into(),
            None => rest.into(),
        },
        None => full,
    }
}

/// What the folder of a bus is called. The system takes `Room` for `room`, leaves dots out at the end, and finds devices under
/// some names, whatever is behind a dot there: so a capital is `+` and the small letter, an end in a dot gets a `=`, and before
/// such a name stands one, as before what could be memory's. The name of a bus has neither sign.
pub fn folder_name(bus: &str) -> String {
    let mut name = String::with_capacity(bus.len());
    for letter in bus.chars() {
        if letter.is_ascii_uppercase() {
            name.push('+');
        }
        name.push(letter.to_ascii_lowercase());
    }
    if name.ends_with('.') {
        name.push('=');
    }
    if is_device(&name) || name.starts_with("slabcast.") {
        name.insert(0, '=');
    }
    name
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let numbered = stem.strip_prefix("com").or(stem.strip_prefix("lpt"));
    matches!(stem, "con" | "prn" | "aux" | "nul")
        || numbered.is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']))
}

/// Bytes that this user may still write in the file system of the buses.
pub fn free_bytes() -> u64 {
    let (folder, mut free) = (wide(&parent().to_string_lossy()), 0);
    // SAFETY: the path ends with NUL; what is not asked for is null.
    unsafe { GetDiskFreeSpaceExW(folder.as_ptr(), &mut free, null_mut(), null_mut()) };
    free
}

/// Opens a small file for reading, whatever stands there: follows no link.
pub fn open(path: &Path) -> io::Result<File> {
    patiently(|| OpenOptions::new().read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path))
}

/// Makes a file that is not there yet, for reading and writing.
pub fn create(path: &Path, _mode: u32) -> io::Result<File> {
    patiently(|| OpenOptions::new().read(true).write(true).create_new(true).open(path))
}

/// Makes a file, or empties the one that is there.
pub fn create_or_empty(path: &Path, _mode: u32) -> io::Result<File> {
    patiently(|| OpenOptions::new().write(true).create(true).truncate(true).open(path))
}

/// It has what it inherited.
pub fn permit(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Gives a file another name, that of one which may be there.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| std::fs::rename(from, to))
}

/// Removes a file, also one that somebody has open. Its name would stay until the last one closes it, where the system or its
/// file system is older, and nobody could have a file of that name: so it is put aside first.
pub fn remove(path: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let aside = getrandom::u64().ok().map(|random| root(false).join(format!("={random:016x}")));
    match aside.filter(|aside| std::fs::rename(path, aside).is_ok()) {
        Some(aside) => {
            let _ = patiently(|| std::fs::remove_file(&aside));
            Ok(())
        }
        None => patiently(|| std::fs::remove_file(path)),
    }
}

/// Removes what a death in `remove` left.
pub fn tidy() {
    for entry in std::fs::read_dir(root(false)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix('='));
        if digits.is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Makes a folder, if there is none.
pub fn make_folder(folder: &Path, _shared: bool) -> io::Result<()> {
    patiently(|| match std::fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    })
}

/// Does what fails while somebody has the file in hands. Then, and also where something that was removed is still open, the
/// system says that access is denied, as it does where that is so.
fn patiently<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let start = Instant::now();
    loop {
        match act() {
            Err(error) if is_passing(&error) && start.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(|code| code as u32);
    matches!(code, Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION))
}

/// Refuses what is not ours: another owner, links, and what is no folder, or no file, as asked for.
pub fn check(path: &Path, folder: bool, _shared: bool) -> Result<(), PlaceError> {
    let looked = patiently(|| {
        let file = look_at(path)?;
        Ok((file.metadata()?.file_type(), whose(&file)?, user_sid()?))
    });
    let (kind, owner, expected) = looked.map_err(|error| PlaceError::io(path, error))?;
    let right_kind = !kind.is_symlink() && kind.is_dir() == folder;
    if right_kind && is_trusted(&owner, expected) {
        return Ok(());
    }
    let (path, what) = (path.display(), if folder { "a folder" } else { "a file" });
    let found = format!("{path} belongs to user {owner}; expected {what} of user {expected}, and no link");
    Err(Stranger { found, owner }.into())
}

fn is_trusted(owner: &str, mine: &str) -> bool {
    owner == mine || owner == ADMINISTRATORS || owner == SYSTEM
}

/// Whether what is open is this user's.
pub(super) fn is_mine(file: &File) -> bool {
    matches!((whose(file), user_sid()), (Ok(owner), Ok(mine)) if is_trusted(&owner, mine))
}

/// The owner of what stands there, or of the nearest folder that can be seen; empty where nothing can.
pub fn owner_of(path: &Path) -> Owner {
    path.ancestors().find_map(|at| whose(&look_at(at).ok()?).ok()).unwrap_or_default()
}

/// Opens what stands there, be it a folder or a link, to ask about it.
fn look_at(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(READ_CONTROL | FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

fn whose(file: &File) -> io::Result<Owner> {
    let (mut owner, mut descriptor) = (null_mut(), null_mut());
    // SAFETY: the handle is open; what is not asked for is null.
    let error = unsafe {
        GetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &mut owner,
            null_mut(),
            null_mut(),
            null_mut(),
            &mut descriptor,
        )
    };
    if error != ERROR_SUCCESS {
        return Err(io::Error::from_raw_os_error(error as i32));
    }
    // SAFETY: it points into the descriptor, which is freed once and after that.
    unsafe {
        let text = sid_text(owner);
        LocalFree(descriptor);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bus_has_a_folder_of_its_own_whatever_the_system_takes_for_one_or_for_a_device() {
        let buses = [
            ["room", "Room", "ROOM", "room.", "room..", ".room"],
            ["con", "CON", "con.log", "console", "aux", "Nul.txt"],
            ["prn", "com1", "com0.x", "com10", "lpt9", "lpt"],
            ["slabcast.0123456789abcdef", "SLABCAST.x", "slabcast", "a_b-c.9", "clock", "z"],
        ];
        let within = std::env::temp_dir().join(format!("slabcast-folders-{}", std::process::id()));
        std::fs::create_dir(&within).expect("a folder");
        let mut names: Vec<String> = buses.as_flattened().iter().map(|bus| folder_name(bus)).collect();
        for name in &names {
            std::fs::create_dir(within.join(name)).expect(name);
        }
        let found = std::fs::read_dir(&within).expect("a folder");
        let mut found: Vec<String> =
            found.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        found.sort();
        names.sort();
        assert_eq!(found, names);
        assert!(names.iter().all(|name| !name.starts_with("slabcast.")), "that is what memory is called");
        std::fs::remove_dir_all(within).expect("removed");
    }

    #[test]
    fn what_another_user_owns_is_not_trusted() {
        let mine = user_sid().expect("a SID");
        for (owner, trusted) in [(mine, true), (SYSTEM, true), (ADMINISTRATORS, true), ("S-1-1-0", false)] {
            assert_eq!(is_trusted(owner, mine), trusted, "{owner}");
        }
    }
}

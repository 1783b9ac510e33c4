//! What the rooms that meet Windows have in common: names and handles as it wants them, and a security descriptor that lets
//! this process' user in, and nobody else.
#![allow(unsafe_code)]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null_mut, slice_from_raw_parts};
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    GetTokenInformation, PSECURITY_DESCRIPTOR, PSID, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Text as its functions take it: UTF-16, NUL at the end.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// What a function returned that makes or opens something; or why it did not. Call it before anything else can fail.
pub(crate) fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a handle that was just made for us, and nobody else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Whose this process is, as text: S-1-5-21-... Of the process, whomever a thread may impersonate.
pub(crate) fn user_sid() -> io::Result<&'static str> {
    static SID: OnceLock<String> = OnceLock::new();
    if let Some(sid) = SID.get() {
        return Ok(sid);
    }
    let asked = ask_for_sid()?;
    Ok(SID.get_or_init(|| asked))
}

fn ask_for_sid() -> io::Result<String> {
    let mut token = null_mut();
    // SAFETY: the pseudo handle of this process is always valid; `token` is a local.
    succeeded(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) })?;
    let token = owned(token)?;
    // A TOKEN_USER and the SID it points to, which has 68 bytes at the most; `u64` for its alignment.
    let mut user = [0_u64; 32];
    let mut needed = 0;
    // SAFETY: the buffer has the size that is told.
    succeeded(unsafe {
        let (buffer, bytes) = (user.as_mut_ptr().cast(), size_of_val(&user) as u32);
        GetTokenInformation(token.as_raw_handle(), TokenUser, buffer, bytes, &mut needed)
    })?;
    // SAFETY: the call filled in a TOKEN_USER, whose SID lies behind it in the same buffer.
    unsafe { sid_text((*user.as_ptr().cast::<TOKEN_USER>()).User.Sid) }
}

/// A SID as text.
///
/// # Safety
/// It is one, or null.
pub(crate) unsafe fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: passed on from this function's own contract; of null it says that it is none.
    succeeded(unsafe { ConvertSidToStringSidW(sid, &mut text) })?;
    let text = Local(text.cast());
    // SAFETY: a text that ends with NUL, and lives as long as `text`.
    let units = unsafe {
        let start = text.0.cast::<u16>().cast_const();
        let length = (0..).take_while(|&at| *start.add(at) != 0).count();
        &*slice_from_raw_parts(start, length)
    };
    Ok(String::from_utf16_lossy(units))
}

/// A security descriptor for what the kernel is to hold under a name: this user may do everything with it, nobody else anything,
/// whatever the token's own default would be.
#[derive(Debug)]
pub(crate) struct UserOnly {
    descriptor: Local,
}

impl UserOnly {
    pub fn new() -> io::Result<UserOnly> {
        let text = wide(&format!("D:P(A;;GA;;;{})", user_sid()?));
        let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
        // SAFETY: `text` ends with NUL; the size is not asked for.
        succeeded(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                null_mut(),
            )
        })?;
        Ok(UserOnly { descriptor: Local(descriptor) })
    }

    /// For a call that makes something. Nothing is inherited by child processes. Valid as long as `self`.
    pub fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.descriptor.0,
            bInheritHandle: 0,
        }
    }
}

/// What a function allocated for us with LocalAlloc.
#[derive(Debug)]
struct Local(*mut std::ffi::c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: allocated so, and freed once.
        unsafe { LocalFree(self.0) };
    }
}

/// Of a call that returns a BOOL.
pub(crate) fn succeeded(result: windows_sys::core::BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whom something of the kernel's lets in: a SID for each entry of its list; no list lets in everybody.
#[cfg(test)]
pub(crate) fn lets_in(object: &impl AsRawHandle) -> Option<Vec<String>> {
    use windows_sys::Win32::Security::Authorization::{GetSecurityInfo, SE_KERNEL_OBJECT};
    use windows_sys::Win32::Security::{ACCESS_ALLOWED_ACE, DACL_SECURITY_INFORMATION, GetAce};

    let (mut list, mut descriptor) = (null_mut(), null_mut());
    // SAFETY: the handle is open; what is not asked for is null.
    let error = unsafe {
        let (handle, asked) = (object.as_raw_handle(), DACL_SECURITY_INFORMATION);
        let none = null_mut();
        GetSecurityInfo(handle, SE_KERNEL_OBJECT, asked, none, none, &mut list, none.cast(), &mut descriptor)
    };
    assert_eq!(error, 0, "it can be asked for");
    let _descriptor = Local(descriptor);
    if list.is_null() {
        return None;
    }
    // SAFETY: a list as the kernel has it, in the descriptor.
    let entries = (0..unsafe { (*list).AceCount }).map(|at| {
        let mut entry = null_mut();
        // SAFETY: it has so many.
        succeeded(unsafe { GetAce(list, at.into(), &mut entry) }).expect("an entry");
        let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
        // SAFETY: all kinds begin alike, and one that lets in has a SID at its end.
        unsafe {
            assert_eq!((*entry).Header.AceType, 0, "none but those that let in");
            sid_text((&raw mut (*entry).SidStart).cast()).expect("a SID")
        }
    });
    Some(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_has_a_sid_and_a_descriptor_can_be_made_of_it() {
        let sid = user_sid().expect("a SID");
        assert!(sid.starts_with("S-1-5-"), "{sid}");
        let only = UserOnly::new().expect("a descriptor");
        assert!(!only.attributes().lpSecurityDescriptor.is_null());
    }
}

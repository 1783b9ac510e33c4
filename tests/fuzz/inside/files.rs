//! The files of a bus with whatever content and names: who lives according to them, what a pointer names, and that nothing
//! is removed but what is a bus'.

use super::Input;
use crate::layout::Identity;
use crate::segment::{Place, anyone_lives, is_ours, lives, read_text, remove_bus};
use std::path::PathBuf;

thread_local! {
    static FOLDER: Folder = Folder::new();
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = std::env::temp_dir().join(format!("slabcast-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn run(data: &[u8]) {
    FOLDER.with(|Folder(folder)| one(&mut Input(data), folder));
}

fn one(input: &mut Input<'_>, folder: &PathBuf) {
    std::fs::create_dir_all(folder).expect("a folder");
    let place = Place::new("fuzz", 0o600).sibling(folder.clone());
    let number = input.u16() as u32;
    let who = Identity { pid: input.u64() as u32, started: input.u64(), namespace: input.u64() };
    let mine = Identity::mine();
    let who = if who.started & 1 == 0 { Identity { namespace: mine.namespace, ..who } } else { who };
    let bystander = folder.join("bystander");
    std::fs::write(&bystander, "not of a bus").expect("a file");
    for path in [place.member_lock(number), place.pointer(), place.pointer_in_making()] {
        std::fs::write(path, input.0).expect("a file");
    }
    // A name as a bus gives, more or less.
    let name: String =
        input.0.iter().take(20).map(|&byte| byte as char).filter(|c| !"/\0".contains(*c)).collect();
    let odd = folder.join(format!("{name}.lock"));
    // Names that the file system does not take are nobody's.
    let _ = std::fs::write(odd, input.0);

    lives(Some(who), &place, number, mine);
    lives(None, &place, number, mine);
    anyone_lives(&place);
    let text = read_text(&place.pointer()).expect("it is there");
    if is_ours(&text) {
        assert!(text.len() == 26 && !text[1..].contains('/'), "{text}");
    }
    remove_bus(&place, None);
    assert!(bystander.exists(), "removed what is none of a bus'");
    let _ = std::fs::remove_dir_all(folder);
}

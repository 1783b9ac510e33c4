//! Deaths while the files of a living bus, removed by somebody, are put back: by a member that looks after them, and by who
//! comes and finds the memory without them.

use crate::scenes::{Scene, files_are_put_back};
use crate::stage::Stage;
use crate::suite::Case;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut vanished = |point, who: &str, before, does| {
        let tell = move |stage: &mut Stage, point: &str| files_are_put_back(stage, point, 0, before, does);
        let when = format!("files removed, by {who}");
        cases.push(Case { point, when, scene: Scene::Told(Box::new(tell)) });
    };
    for point in ["open: lock made", "create: noting", "files: noted", "files: named"] {
        vanished(point, "who looks after them", "open; subscribe 0", "tick");
    }
    // On Windows what it has open keeps its name.
    if cfg!(unix) {
        for point in ["witness: made", "witness: locked", "files: witnessed"] {
            vanished(point, "who looks after its own", "open; subscribe 0", "tick");
        }
    }
    for point in ["open: locked", "create: noting", "lost: noted", "lost: named", "attach: numbered"] {
        vanished(point, "who comes", "", "open");
    }
    cases
}

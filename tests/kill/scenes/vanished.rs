//! A death while the files of a living bus are put back.

use super::{all_is_well, dies_at, victim};
use crate::stage::Stage;
use crate::support::folder_of;

/// Somebody removes what leads to the bus: its pointer, and all locks. Nobody looks after it, but for who dies of it.
pub fn files_are_put_back(
    stage: &mut Stage,
    point: &str,
    nth: u32,
    before: &'static str,
    does: &'static str,
) {
    stage.open_keeper();
    stage.open_neighbours();
    let mut one = victim(stage, 11, before);
    stage.keeper_reads = false;
    for entry in std::fs::read_dir(folder_of(&stage.bus)).expect("the bus' folder").flatten() {
        let name = entry.file_name();
        if name == "segment" || name.to_string_lossy().ends_with(".lock") {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
    dies_at(stage, &mut one, point, nth, does);
    stage.keeper_reads = true;
    stage.all_neighbours("traffic");
    stage.goes_on();
    let folder = folder_of(&stage.bus);
    stage.until("the living have put their locks back", |stage| {
        let numbers = stage.audit().members;
        let missing = numbers.into_iter().find(|number| !folder.join(format!("{number}.lock")).exists());
        missing.map_or(Ok(()), |number| Err(format!("{number}.lock is missing")))
    });
    all_is_well(stage, &mut [one], &[Some(0)]);
}

//! Processes killed exactly between two steps.

#[test]
fn the_armed_point_is_where_the_process_ends() {
    use slabcast::kill_points::{Act, arm, disarm};
    arm("nowhere", 0, Act::Kill);
    assert!(disarm());
}

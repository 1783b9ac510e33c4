//! Cases: each kills or stops a process at one point, in a process and a place of its own.

use crate::scenes::Scene;
use crate::stage::Stage;
use crate::support::{AGAIN, WATCHDOG, may_isolate, this_program};
use std::fs::File;
use std::process::{Child, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Which case the program is to run, for the test `case`.
const CASE: &str = "SLABCAST_KILL_CASE";
/// Most of a case is waiting for the next look after the bus.
const AT_ONCE: usize = 8;

pub struct Case {
    /// Where the last victim dies or stops.
    pub point: &'static str,
    /// In what circumstances.
    pub when: String,
    pub scene: Scene,
}

/// Nothing is expected to take this long. Shorter where much is expected to take forever: for mutants.
pub fn watchdog() -> Duration {
    std::env::var("SLABCAST_WATCHDOG")
        .map_or(WATCHDOG, |seconds| Duration::from_secs(seconds.parse().expect("seconds")))
}

impl Case {
    pub fn name(&self) -> String {
        format!("{}, {}", self.point, self.when)
    }
}

/// What a case has to tell: how long the living waited, and how long something of the dead was left.
type Waits = (Duration, Duration);

/// Plays one of `cases`, if this process was started for that.
pub fn play_what_is_asked(cases: Vec<Case>) {
    let Ok(name) = std::env::var(CASE) else { return };
    let case = cases.into_iter().find(|case| case.name() == name).expect("a case of that name");
    let mut stage = Stage::new();
    case.scene.play(&mut stage, case.point);
    println!("waited {} {}", stage.longest.as_micros(), stage.settled.as_micros());
}

/// Runs cases, several at once; returns what the failed ones said.
pub fn run(cases: &[Case]) -> Vec<String> {
    let queue = Mutex::new(cases.iter());
    let failed = Mutex::new(Vec::new());
    let longest = Mutex::new([(Duration::ZERO, String::new()), (Duration::ZERO, String::new())]);
    std::thread::scope(|scope| {
        // Where all share one /dev/shm, what one leaves is not told from what another has.
        for _ in 0..if may_isolate() { AT_ONCE } else { 1 } {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().expect("no panic").next() else { return };
                    match run_one(&case.name()) {
                        Ok((waited, settled)) => {
                            if std::env::var_os("SLABCAST_WAITS").is_some() {
                                println!("{waited:?} {settled:?} {}", case.name());
                            }
                            let mut longest = longest.lock().expect("no panic");
                            for (longest, this) in longest.iter_mut().zip([waited, settled]) {
                                if *longest < (this, String::new()) {
                                    *longest = (this, case.name());
                                }
                            }
                        }
                        Err(said) => {
                            println!("FAILED: {}", case.name());
                            failed.lock().expect("no panic").push(format!("{}\n{said}", case.name()));
                        }
                    }
                }
            });
        }
    });
    let [(waited, waiting), (settled, settling)] = longest.into_inner().expect("no panic");
    println!("{} cases; the longest wait of the living: {waited:?} ({waiting})", cases.len());
    println!("the longest until nothing of the dead was left: {settled:?} ({settling})");
    failed.into_inner().expect("no panic")
}

fn run_one(name: &str) -> Result<Waits, String> {
    let (mut status, mut said) = start(name);
    let mut again = AGAIN;
    while said.is_empty() && again > 0 {
        println!("{name}: nothing was said, and it ended: {status:?}");
        (status, said) = start(name);
        again -= 1;
    }
    let waits =
        said.lines().find_map(|line| line.split_once("waited ")).and_then(|(_, rest)| rest.split_once(' '));
    match waits {
        Some((waited, settled)) if status.is_some_and(|status| status.success()) => {
            let micros = |text: &str| Duration::from_micros(text.parse().expect("a number"));
            Ok((micros(waited), micros(settled)))
        }
        _ => Err(said),
    }
}

/// Plays a case in a process of its own: how that ended, if it did, and what it said.
fn start(name: &str) -> (Option<ExitStatus>, String) {
    let path = std::env::temp_dir().join(format!(
        "slabcast-kill-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let output = File::create(&path).expect("a file");
    let (mut program, _own) = this_program("case");
    // So that all it started can be ended with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut program, 0);
    program.env(CASE, name).stdout(output.try_clone().expect("a descriptor")).stderr(output);
    let child = program.spawn().expect("started");
    let status = end_of(child);
    let said = String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned();
    let _ = std::fs::remove_file(path);
    (status, said)
}

#[cfg(unix)]
fn end_all(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}
/// What it started ends with its input, for nothing is stopped.
#[cfg(windows)]
fn end_all(child: &mut Child) {
    let _ = child.kill();
}

/// None: it took forever, and is ended with all it started, also what is stopped.
fn end_of(mut child: Child) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("waited for") {
            return Some(status);
        }
        if start.elapsed() > watchdog() * 2 {
            end_all(&mut child);
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

//! Real processes: this program again, in a role. They are told lines and answer with lines, and are gone when dropped.

use super::WATCHDOG;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Whether a process can be stopped, and go on later.
pub const CAN_STOP: bool = cfg!(unix);

/// How often a process is started again that ends before its first word: under Wine, now and then, one does.
pub const AGAIN: u32 = if cfg!(windows) { 5 } else { 0 };

const ROLE: &str = "SLABCAST_CRASH_ROLE";

/// A process in one of the roles of the test `child`.
pub struct Player {
    process: Child,
    input: Option<ChildStdin>,
    said: Receiver<String>,
}

impl Player {
    pub fn start(role: &[&str]) -> Player {
        let mut program = Command::new(std::env::current_exe().expect("this program"));
        program.args(["--exact", "child", "--nocapture"]).env(ROLE, role.join(" "));
        let mut process =
            spawn(program.stdin(Stdio::piped()).stdout(Stdio::piped())).expect("a process is started");
        let input = process.stdin.take();
        let said = listen(process.stdout.take().expect("piped"));
        Player { process, input, said }
    }
    /// One whose first word is `ready`, before it does anything.
    pub fn start_ready(role: &[&str]) -> Player {
        let mut again = 0..AGAIN;
        loop {
            let mut player = Player::start(role);
            match player.said.recv_timeout(WATCHDOG) {
                Ok(word) => {
                    assert_eq!(word, "ready");
                    return player;
                }
                Err(RecvTimeoutError::Disconnected) if again.next().is_some() => {
                    println!("{role:?} said nothing, and ended: {:?}", player.process.wait());
                }
                Err(error) => panic!("it says something: {error}"),
            }
        }
    }
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("not ended"), "{line}").expect("it lives");
    }
    /// Its next line.
    pub fn hear(&self) -> String {
        self.said.recv_timeout(WATCHDOG).expect("it says something")
    }
    /// Its next line, if it has said one.
    pub fn heard(&self) -> Option<String> {
        self.said.try_recv().ok()
    }
    /// What it had said and nobody heard, after its end.
    pub fn last_words(&self) -> Vec<String> {
        self.said.iter().collect()
    }
    pub fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("waited for");
    }
    /// It ends by itself, well.
    pub fn end(mut self) {
        drop(self.input.take());
        assert!(self.process.wait().expect("waited for").success());
    }
    /// Ends it, and does not wait for that.
    pub fn kill_now(&mut self) {
        self.process.kill().expect("killed");
    }
    /// Whether it has ended by a kill; no other end is expected.
    pub fn was_killed(&mut self) -> bool {
        let Some(status) = self.process.try_wait().expect("waited for") else { return false };
        assert!(is_kill(status), "it ended otherwise: {status}");
        true
    }
}

#[cfg(unix)]
fn spawn(program: &mut Command) -> std::io::Result<Child> {
    program.spawn()
}
/// Wine, now and then, where many are started at once: "internal error", and nothing was started.
#[cfg(windows)]
fn spawn(program: &mut Command) -> std::io::Result<Child> {
    const INTERNAL_ERROR: i32 = 1359;
    let mut tries = 1..=5;
    loop {
        match program.spawn() {
            Err(error) if error.raw_os_error() == Some(INTERNAL_ERROR) && tries.next().is_some() => {}
            result => return result,
        }
    }
}

#[cfg(unix)]
fn is_kill(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(rustix::process::Signal::KILL.as_raw())
}
/// The code that who ends it gives; the harness' own is another.
#[cfg(windows)]
fn is_kill(status: ExitStatus) -> bool {
    status.code() == Some(1)
}

/// What is a signal's: stopping it, and letting it go on.
#[cfg(unix)]
impl Player {
    pub fn stop(&self) {
        self.signal(rustix::process::Signal::STOP);
    }
    pub fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }
    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("it is there");
    }
    /// Whether every thread of it stands still by SIGSTOP.
    pub fn is_stopped(&self) -> bool {
        let tasks = format!("/proc/{}/task", self.pid().as_raw_nonzero());
        let stands = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        let Ok(tasks) = std::fs::read_dir(tasks) else { return false };
        let stands: Vec<bool> = tasks.flatten().map(stands).collect();
        !stands.is_empty() && stands.iter().all(|stands| *stands)
    }
    fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.process)
    }
}

/// Windows stops no process: whoever would ask for it is left out by `CAN_STOP`.
#[cfg(windows)]
impl Player {
    pub fn stop(&self) {
        panic!("no process can be stopped here");
    }
    pub fn go_on(&self) {
        panic!("no process was stopped here");
    }
    pub fn is_stopped(&self) -> bool {
        false
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What it says, among the lines of the test harness it runs in.
fn listen(output: ChildStdout) -> Receiver<String> {
    let (say, said) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some((_, words)) = line.split_once("> ") {
                let _ = say.send(words.to_owned());
            }
        }
    });
    said
}

pub fn say(words: &str) {
    println!("> {words}");
}

/// The role this process was started in, if it is a player.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Lines from standard input; its end (the test is gone) ends this process.
pub fn lines() -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
        // Whoever waits for a line ends well; the others are ended.
        drop(send);
        std::thread::sleep(Duration::from_millis(200));
        std::process::exit(0);
    });
    lines
}

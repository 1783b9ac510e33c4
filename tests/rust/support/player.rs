//! Real processes: this program again, in a role. They are told lines and answer with lines, and are gone when dropped.

use super::WATCHDOG;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const ROLE: &str = "SLABCAST_CRASH_ROLE";

/// A process in one of the roles of the test `child`.
pub struct Player {
    process: Child,
    input: Option<ChildStdin>,
    said: Receiver<String>,
}

impl Player {
    pub fn start(role: &[&str]) -> Player {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "child", "--nocapture"])
            .env(ROLE, role.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let input = process.stdin.take();
        let said = listen(process.stdout.take().expect("piped"));
        Player { process, input, said }
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
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is there");
    }
    /// Whether it has ended by SIGKILL; no other end is expected.
    pub fn was_killed(&mut self) -> bool {
        let Some(status) = self.process.try_wait().expect("waited for") else { return false };
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "it ended otherwise: {status}");
        true
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
    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
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

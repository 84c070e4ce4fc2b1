//! A process that the tests started. It ends with them, however they end.

use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Of one that has ended nothing is left to kill.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the binary starts"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("it is our child")
    }

    /// Kills it with SIGKILL, unless it has ended by then.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(sent.expect("`kill` is there").success(), "it is our child");
    }

    /// Waits until it ends; fails the test if it does not.
    pub(crate) async fn wait(mut self, world: &World) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.ended() {
                    return status;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        let ended = timeout(PATIENCE, ended).await;
        ended.unwrap_or_else(|_elapsed| panic!("huntbook hangs\n{}", world.log_tail()))
    }
}

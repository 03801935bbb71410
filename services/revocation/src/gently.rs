//! Long work on lists, behind everybody who waits for an answer.
//!
//! A list of five million entries takes a core for seconds. On a thread of its own, which the kernel prefers less than those that answer
//! requests, it takes what they leave, and a small share of what they do not.

use tokio::sync::oneshot;

/// How much less it is preferred (`nice(2)`): a third of the weight.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Does it there. `None`: it panicked, or there was no thread to be had.
pub(crate) async fn gently<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (told, answer) = oneshot::channel();
    let spawned = std::thread::Builder::new()
        .name("lists".to_owned())
        .spawn(move || {
            // The thread ends with the work: without privilege no thread comes back up.
            #[cfg(target_os = "linux")]
            let _ = rustix::process::setpriority_process(None, NICENESS);
            // Fails where nobody waits any more.
            let _ = told.send(work());
        });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for a list");
        return None;
    }
    answer.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_elsewhere_and_a_panic_there_is_told() {
        let here = std::thread::current().id();
        let there = gently(move || std::thread::current().id()).await;
        assert!(there.is_some_and(|there| there != here));
        assert_eq!(gently(|| -> u8 { panic!("on purpose") }).await, None);
    }
}

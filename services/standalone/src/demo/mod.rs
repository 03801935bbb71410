//! `warikan demo`: the whole mission in one walk, over HTTP only, as the people in it would.
//!
//! Three listeners on free ports in a temporary directory: a stand-in for J-LIS with its citizens and their cards, the
//! platform with every service, and the securities firm's webhook receiver. They share one clock that the story moves on,
//! so that a retry after five minutes and the end of the month need no waiting. Each step says what was asked, what came
//! back and how long it took; the first thing that is not as it should be ends the walk with an error.
//!
//! Told against a platform that runs ([`against`]), the story is the same, with the operator's credential, in the firm's sandbox; what
//! only production's clock could bring about is left out, and the walk says so.

mod client;
mod receiver;
mod setting;
mod stage;
mod story;

use std::{io::Write, path::PathBuf, time::Instant};

use warikan_types::Clock;

use self::{
    receiver::Receiver,
    setting::{Setting, Time},
    stage::Stage,
    story::Story,
};

/// Walks; true when every step was as it should be.
///
/// # Errors
/// The stage cannot be set up, or the report cannot be written.
pub async fn run(out: &mut impl Write) -> anyhow::Result<bool> {
    let begun = Instant::now();
    writeln!(
        out,
        "Warikan demo: one certified platform, two firms, one citizen who moves house.\n"
    )?;
    let stage = Stage::set().await?;
    stage.describe(out)?;
    writeln!(out, "  ({} ms to start)\n", begun.elapsed().as_millis())?;
    let sound = judge(&stage.setting, begun, out).await?;
    stage.clear().await?;
    Ok(sound)
}

/// Walks against a platform that runs at `url` (gateway or one binary, with its sandbox); `credential` is the operator's, as
/// onboarding wrote it. Two tenants remain there, and the sandbox's clock is a day further.
///
/// # Errors
/// The report cannot be written, or no port can be had for the receiver.
pub async fn against(
    url: &str,
    credential: PathBuf,
    clock: Clock,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let platform = url.trim_end_matches('/').to_owned();
    let setting = Setting {
        jlis: platform.clone(),
        platform,
        receiver: Receiver::start()?,
        credential,
        time: Time::Real(clock),
    };
    writeln!(
        out,
        "Warikan demo against {}: two firms in their sandboxes, one citizen who moves house.\n\n  \
         the firm's receiver {}\n  production's clock stays as it is; the sandbox's is moved by a day\n",
        setting.platform, setting.receiver.url
    )?;
    let sound = judge(&setting, begun, out).await?;
    setting.receiver.stop().await;
    Ok(sound)
}

async fn judge(setting: &Setting, begun: Instant, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut story = Story::new(setting)?;
    match tell(&mut story, out).await {
        Ok(()) => {
            writeln!(
                out,
                "Every step was as it should be. ({:.1?} in all)",
                begun.elapsed()
            )?;
            Ok(true)
        }
        Err(error) => {
            writeln!(out, "NOT as it should be: {error:#}")?;
            Ok(false)
        }
    }
}

/// One step: its title, then what it reports, then its time.
macro_rules! step {
    ($out:expr, $number:expr, $title:expr, $step:expr) => {{
        writeln!($out, "{:>2}. {}", $number, $title)?;
        $out.flush()?;
        let begun = Instant::now();
        let lines = $step
            .await
            .map_err(|error: anyhow::Error| error.context($title))?;
        for line in lines {
            writeln!($out, "      {line}")?;
        }
        writeln!($out, "      ({} ms)\n", begun.elapsed().as_millis())?;
    }};
}

async fn tell(story: &mut Story<'_>, out: &mut impl Write) -> anyhow::Result<()> {
    step!(
        out,
        1,
        "A securities firm is onboarded and goes live.",
        story.onboard_firm()
    );
    step!(
        out,
        2,
        "A citizen gets a card and signs an account application.",
        story.citizen_signs()
    );
    step!(
        out,
        3,
        "The firm verifies it and reads the four attributes.",
        story.firm_verifies()
    );
    step!(out, 4, "A tampered copy is refused.", story.tampered_copy());
    step!(
        out,
        5,
        "The same request again: the same answer, no second charge.",
        story.replay()
    );
    step!(
        out,
        6,
        "The firm has a thousand customers watched.",
        story.watch_a_thousand()
    );
    step!(
        out,
        7,
        "The citizen moves; the day's revocation list is published.",
        story.citizen_moves()
    );
    step!(
        out,
        8,
        "Exactly that customer is flagged.",
        story.exactly_one_is_flagged()
    );
    step!(
        out,
        9,
        if story.setting().is_sandbox() {
            "The signed webhook arrives, though the receiver failed once."
        } else {
            "The signed webhook arrives, though the receiver failed twice."
        },
        story.webhook_arrives()
    );
    step!(
        out,
        10,
        "A second firm never sees anything of the first.",
        story.second_firm()
    );
    step!(
        out,
        11,
        if story.setting().is_sandbox() {
            "The month cannot be closed before its end, and adds up so far."
        } else {
            "The month is closed and the invoice adds up."
        },
        story.month_closes()
    );
    Ok(())
}

//! Texts that people read, as they are written.

use restow::command::commands;
use restow::report;

#[test]
fn answers_and_checks() {
    let unknown = commands("/restow rebse");
    let opens = ["Update nginx from 1.25 to 1.27".to_owned()];
    let closes = ["restow/redis-x.y".to_owned()];
    let mistakes = ["2:1: there is no setting `labls` here (did you mean `labels`?)".to_owned()];
    let summary = report::foresight_summary(&opens, &closes);
    insta::assert_snapshot!("help", report::command_help(None));
    insta::assert_snapshot!("not-understood", report::command_help(unknown.first()));
    insta::assert_snapshot!("not-allowed", report::not_allowed());
    insta::assert_snapshot!(
        "standing",
        report::standing_comment("the check `test` fails, and did not on the base branch")
    );
    insta::assert_snapshot!(
        "explanation",
        report::explanation("How it stands: checks are running.", &["automerge: false (the default)".to_owned()])
    );
    insta::assert_snapshot!("mistakes", report::mistakes_summary(&mistakes));
    insta::assert_snapshot!("foresight", format!("{}\n\n{summary}", report::foresight_title(1, 1)));
    insta::assert_snapshot!(
        "configuration-comment",
        report::configuration_comment(&report::foresight_title(1, 1), &summary)
    );
}

use super::*;
use crate::formats::extraction::FoundValue;

/// The references found, then the lines of the problems.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = CloudFormation.extract(text);
    let sites = found.sites.iter().map(|site| match &site.value {
        FoundValue::Resolved { reference, .. } => reference.to_string(),
        FoundValue::Open(_) => "open".to_owned(),
    });
    let problems = found.problems.iter().map(|problem| format!("{:?} {}", problem.code, problem.line));
    assert_eq!(sites.chain(problems).collect::<Vec<_>>(), expected, "{text}");
}

/// A function whose image is `image`, with a parameter `Tag` that is 1.27 and one without default, `Open`.
fn function(image: &str) -> String {
    format!(
        "Parameters: {{Tag: {{Type: String, Default: '1.27'}}, Open: {{Type: String}}}}\n\
         Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code:\n        ImageUri: {image}\n"
    )
}

#[test]
fn functions_that_tell_an_image() {
    check(&function("nginx"), &["nginx"]);
    check(&function("!Sub 'nginx:${Tag}'"), &["nginx:1.27"]);
    check(&function("!Sub ['a/${N}:${Tag}', {N: nginx}]"), &["a/nginx:1.27"]);
    check(&function("!Join [':', [a/b, !Ref Tag]]"), &["a/b:1.27"]);
    check(&function("{'Fn::Join': ['', [a/, {Ref: Tag}, ':1']]}"), &["a/1.27:1"]);
    check(&function("!If [Mine, !If [Old, 'a:1', 'b:2'], !Ref AWS::NoValue]"), &["a:1", "b:2"]);
}

#[test]
fn what_the_platform_fills_in_is_silent() {
    for image in [
        "!Sub '${AWS::AccountId}.dkr.ecr.eu-west-1.amazonaws.com/a:${Open}'",
        "!Sub '${Open}/a:${AWS::StackName}'",
        "!Sub '${Repository.RepositoryUri}:1'",
        "!Sub 'a:${!Tag}'",
        "!Sub 'a:$Tag'",
        "!GetAtt A.B",
        "!ImportValue x",
        "!FindInMap [a, b, c]",
        "!Join [',', !Ref Tag]",
        "'{{resolve:ssm:/image}}'",
        "IMAGE_URI",
        "''",
    ] {
        check(&function(image), &[]);
    }
}

#[test]
fn a_parameter_without_default_is_a_problem() {
    check(&function("!Ref Open"), &["UnresolvedVariable 7"]);
    check(&function("!Join [':', [a, !Ref Open]]"), &["UnresolvedVariable 7"]);
    check(&function("!Ref Open # restow: ignore"), &[]);
}

#[test]
fn text_that_grows_without_end_is_left() {
    let mut image = "a".to_owned();
    for _ in 0..40 {
        image = format!("!Sub ['${{X}}${{X}}', {{X: {image}}}]");
    }
    check(&function(&image), &[]);
    check(&function("&a !Sub ['${X}', {X: *a}]"), &[]);
    check(&function(&format!("!Join ['', [{}]]", "abcdefgh,".repeat(400))), &[]);
}

#[test]
fn other_files_are_not_parsed() {
    check("Resources: [\nAWS::", &[]);
    check("image: [\n", &[]);
    check("containerDefinitions: {image: {}}\n", &[]);
}

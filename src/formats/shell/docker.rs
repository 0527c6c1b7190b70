//! The arguments of `docker`, `podman` and `nerdctl`: which of them is an image.
//!
//! ```text
//! command := tool flag* ["container" | "image" | "buildx"] verb flag* image …
//! ```
//!
//! A flag that is not in the tables below may take a value or not, so nothing is told behind it.

/// What a command does with the images it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// `run`, `create`: the image is the first argument.
    Run,
    /// `pull`: every argument is an image, though only podman takes several.
    Pull,
    /// `build -t`, `tag`, `push`, `commit`: the names are outputs.
    Output,
}

/// Flags before the verb that take a value.
const GLOBAL_VALUES: &str = "\
    -H -c -l -n -a --host --context --config --log-level --tlscacert --tlscert --tlskey --namespace \
    --address --snapshotter --data-root --root --runroot --runtime --storage-driver --storage-opt \
    --connection --url --identity --cgroup-manager --events-backend";
/// Flags of `run`, `create` and `pull` that stand alone.
const SWITCHES: &str = "\
    all-platforms all-tags detach disable-content-trust env-host help http-proxy init insecure-registry \
    interactive latest no-healthcheck no-hostname no-hosts oom-kill-disable passwd privileged publish-all \
    quiet read-only read-only-tmpfs replace rm rmi sig-proxy tls-verify tty unpack unsetenv-all \
    use-api-socket";
/// Flags of `run`, `create` and `pull` that take a value.
const VALUES: &str = "\
    add-host annotation arch attach authfile blkio-weight blkio-weight-device cap-add cap-drop cert-dir \
    cgroup-conf cgroup-parent cgroupns cgroups chrootdirs cidfile conmon-pidfile cosign-key cpu-count \
    cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems \
    creds decryption-key detach-keys device device-cgroup-rule device-read-bps device-read-iops \
    device-write-bps device-write-iops dns dns-option dns-opt dns-search domainname entrypoint env env-file \
    env-merge expose gidmap gpus group-add group-entry health-cmd health-interval health-log-destination \
    health-on-failure health-retries health-start-interval health-start-period health-startup-cmd \
    health-timeout hostname hostuser image-volume init-ctr init-path io-maxbandwidth io-maxiops ip ip6 ipc \
    isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory \
    memory-reservation memory-swap memory-swappiness mount name net net-alias network network-alias \
    oom-score-adj os override-arch override-os personality pid pidfile pids-limit platform pod pod-id-file \
    policy preserve-fd preserve-fds publish pull rdt-class requires restart retry retry-delay runtime \
    sdnotify seccomp-policy secret security-opt shm-size shm-size-systemd snapshotter stop-signal \
    stop-timeout storage-opt subgidname subuidname sysctl systemd timeout tmpfs tz uidmap ulimit umask \
    unsetenv user userns uts variant verify volume volume-driver volumes-from workdir";
/// Short flags that stand alone, and those that take a value.
const SHORT_SWITCHES: &str = "ditqP";
const SHORT_VALUES: &str = "acehlmpuvw";

/// Whether a word runs one of the tools.
pub(super) fn is_tool(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    matches!(name.strip_suffix(".exe").unwrap_or(name), "docker" | "podman" | "nerdctl")
}

/// What the words behind the tool do, and which of them are images.
pub(super) fn images(words: &[&str]) -> Option<(Verb, Vec<usize>)> {
    let mut at = 0;
    while let Some(flag) = words.get(at).filter(|word| word.starts_with('-')) {
        at += if listed(GLOBAL_VALUES, flag) { 2 } else { 1 };
    }
    if matches!(*words.get(at)?, "container" | "image" | "buildx" | "builder") {
        at += 1;
    }
    let verb = *words.get(at)?;
    let arguments = at + 1;
    match verb {
        "run" | "create" => Some((Verb::Run, vec![first_argument(words, arguments)?])),
        "pull" => {
            let first = first_argument(words, arguments)?;
            let redirected = |index: &usize| words[*index].contains(['<', '>']);
            let plain = (first..words.len()).take_while(|index| !redirected(index));
            Some((Verb::Pull, plain.filter(|index| !words[*index].starts_with('-')).collect()))
        }
        "build" | "bake" => Some((Verb::Output, tags(words, arguments))),
        "tag" | "commit" => Some((Verb::Output, vec![words.len().checked_sub(1).filter(|last| *last > arguments)?])),
        "push" => {
            Some((Verb::Output, (arguments..words.len()).filter(|index| !words[*index].starts_with('-')).collect()))
        }
        _ => None,
    }
}

/// Whether a word is one of a list.
pub(super) fn listed(list: &str, word: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// The values of `-t` and `--tag`.
fn tags(words: &[&str], from: usize) -> Vec<usize> {
    (from..words.len()).filter(|index| *index > 0 && matches!(words[*index - 1], "-t" | "--tag")).collect()
}

/// The first word that is no flag and no flag's value.
fn first_argument(words: &[&str], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let word = words.get(at)?;
        if *word == "--" {
            return (at + 1 < words.len()).then_some(at + 1);
        }
        if *word == "--rootfs" {
            return None;
        }
        at += match word.strip_prefix('-') {
            None if is_flags(word) => 1,
            None => return Some(at),
            Some(flag) => flag_length(flag)?,
        };
    }
}

/// A variable that by its name holds flags: `$DOCKER_ARGS`.
fn is_flags(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    word.starts_with(['$', '%', '{']) && ["ARG", "OPT", "FLAG", "PARAM"].iter().any(|name| upper.contains(name))
}

/// How many words a flag takes; `None` where that is not known.
fn flag_length(flag: &str) -> Option<usize> {
    let Some(long) = flag.strip_prefix('-') else { return short_length(flag) };
    match long {
        _ if long.contains('=') => Some(1),
        _ if listed(SWITCHES, long) => Some(1),
        _ if listed(VALUES, long) => Some(2),
        _ => None,
    }
}

/// `-it`, `-p 80:80`, `-p80:80`, `-itv /a:/b`.
fn short_length(flags: &str) -> Option<usize> {
    for (index, flag) in flags.char_indices() {
        if SHORT_VALUES.contains(flag) {
            return Some(if index + 1 == flags.len() { 2 } else { 1 });
        }
        if !SHORT_SWITCHES.contains(flag) {
            return None;
        }
    }
    (!flags.is_empty()).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: Option<(Verb, &[&str])>) {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let found = images(&words).map(|(verb, at)| (verb, at.into_iter().map(|at| words[at]).collect::<Vec<_>>()));
        assert_eq!(found, expected.map(|(verb, images)| (verb, images.to_vec())), "{command}");
    }

    #[test]
    fn the_first_argument_is_the_image() {
        check("docker run -it --rm -p 80:80 -v/a:/b -eA=b --name x nginx:1 sh -c x:1", Some((Verb::Run, &["nginx:1"])));
        check("docker -H tcp://x --debug container create --env=A -itv a:b c:1", Some((Verb::Run, &["c:1"])));
        check("docker run $DOCKER_OPTS --network host -- a:1", Some((Verb::Run, &["a:1"])));
        check("docker run --new-flag x a:1", None);
        check("docker run -Z a:1", None);
        check("docker run --rootfs /x", None);
        check("docker run -d", None);
        check("docker compose run web", None);
        check("docker volume create x", None);
        check("docker", None);
    }

    #[test]
    fn pulls_and_outputs() {
        check("podman pull -q --tls-verify=false a:1 b:2 >/dev/null c:3", Some((Verb::Pull, &["a:1", "b:2"])));
        check("docker pull", None);
        check("docker buildx build --push -t a:1 --tag b:2 .", Some((Verb::Output, &["a:1", "b:2"])));
        check("docker tag a:1 b:2", Some((Verb::Output, &["b:2"])));
        check("docker push -q b:2", Some((Verb::Output, &["b:2"])));
    }

    #[test]
    fn tools() {
        assert!(
            is_tool("/usr/bin/docker") && is_tool("docker.exe") && is_tool("nerdctl") && !is_tool("docker-compose")
        );
    }
}

//! A bare git repository, driven by the `git` command: every sha, merge and diff is what git says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// The sha that stands for "there is nothing".
pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";

/// One line of a tree.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) sha: String,
    pub(crate) size: Option<u64>,
    pub(crate) path: String,
}

/// Who made a commit, and when (seconds since the epoch).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) at: i64,
}

/// A commit as its object says.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Person,
    pub(crate) committer: Person,
    pub(crate) message: String,
}

/// A change of one path: its mode and blob, or none where it goes.
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) mode: String,
    pub(crate) sha: Option<String>,
}

/// A changed file between two commits.
pub(crate) struct Changed {
    pub(crate) path: String,
    pub(crate) status: &'static str,
    pub(crate) sha: String,
    pub(crate) additions: u64,
    pub(crate) deletions: u64,
    pub(crate) patch: String,
}

#[derive(Debug)]
pub(crate) struct Git {
    dir: PathBuf,
    indexes: AtomicU64,
}

impl Git {
    pub(crate) fn init(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("the world's folder can be written");
        let git = Self { dir: dir.to_owned(), indexes: AtomicU64::new(0) };
        git.text(&["init", "-q", "--bare", "-b", "main", "."]);
        git
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(args).current_dir(&self.dir).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("LC_ALL", "C").env("TZ", "UTC");
        command
    }

    /// Runs git; what it writes, or what it complains.
    fn run(&self, args: &[&str], input: &[u8], index: Option<&str>) -> Result<Vec<u8>, String> {
        let mut command = self.command(args);
        if let Some(index) = index {
            command.env("GIT_INDEX_FILE", index);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("git cannot be started: {error}"))?;
        let mut pipe = child.stdin.take().expect("impossible: the input is piped");
        let input = input.to_vec();
        // Git may answer before it has read all: writing beside reading keeps both pipes moving.
        let writer = std::thread::spawn(move || pipe.write_all(&input));
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        // Git may have stopped reading early; its exit code tells whether that matters.
        let _ = writer.join();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr)))
        }
    }

    fn text(&self, args: &[&str]) -> String {
        self.asked(args).unwrap_or_default()
    }

    fn asked(&self, args: &[&str]) -> Option<String> {
        let out = self.run(args, b"", None).ok()?;
        Some(String::from_utf8_lossy(&out).trim_end_matches('\n').to_owned())
    }

    pub(crate) fn store_blob(&self, content: &[u8]) -> String {
        self.store("blob", content)
    }

    fn store(&self, kind: &str, content: &[u8]) -> String {
        let out = self.run(&["hash-object", "-t", kind, "-w", "--stdin"], content, None);
        String::from_utf8_lossy(&out.expect("git stores objects")).trim().to_owned()
    }

    pub(crate) fn kind(&self, sha: &str) -> Option<String> {
        let is_sha = sha.len() == 40 && sha.bytes().all(|b| b.is_ascii_hexdigit());
        if is_sha { self.asked(&["cat-file", "-t", sha]) } else { None }
    }

    pub(crate) fn blob(&self, sha: &str) -> Option<Vec<u8>> {
        self.run(&["cat-file", "blob", sha], b"", None).ok()
    }

    /// The commit that a branch, tag or sha names.
    pub(crate) fn resolve(&self, name: &str) -> Option<String> {
        if name.starts_with('-') {
            return None;
        }
        let heads = format!("refs/heads/{name}^{{commit}}");
        let plain = format!("{name}^{{commit}}");
        let ask = |name: &str| self.asked(&["rev-parse", "--verify", "-q", name]);
        ask(&heads).or_else(|| ask(&plain))
    }

    pub(crate) fn tree_of(&self, name: &str) -> Option<String> {
        let heads = format!("refs/heads/{name}^{{tree}}");
        let plain = format!("{name}^{{tree}}");
        let ask = |name: &str| self.asked(&["rev-parse", "--verify", "-q", name]);
        ask(&heads).or_else(|| ask(&plain))
    }

    pub(crate) fn reference(&self, full: &str) -> Option<String> {
        self.asked(&["rev-parse", "--verify", "-q", full]).filter(|_| full.starts_with("refs/"))
    }

    pub(crate) fn branch(&self, name: &str) -> Option<String> {
        self.reference(&format!("refs/heads/{name}"))
    }

    pub(crate) fn branches(&self) -> Vec<(String, String)> {
        let text = self.text(&["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"]);
        text.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    pub(crate) fn valid_ref(&self, full: &str) -> bool {
        self.asked(&["check-ref-format", full]).is_some()
    }

    pub(crate) fn set_ref(&self, full: &str, sha: &str) {
        self.asked(&["update-ref", full, sha]).expect("git moves refs to objects that it holds");
    }

    pub(crate) fn drop_ref(&self, full: &str) {
        self.asked(&["update-ref", "-d", full]).expect("git deletes refs that it holds");
    }

    pub(crate) fn list(&self, tree: &str, flags: &[&str]) -> Vec<Entry> {
        let mut args = vec!["ls-tree", "-l", "-z"];
        args.extend(flags);
        args.push(tree);
        let text = self.text(&args);
        text.split('\0').filter_map(read_entry).collect()
    }

    /// Makes a tree out of another and changes.
    pub(crate) fn tree(&self, base: Option<&str>, changes: &[Change]) -> Result<String, String> {
        let index = self.dir.join(format!("world-index-{}", self.indexes.fetch_add(1, Ordering::SeqCst)));
        let index = index.to_string_lossy().into_owned();
        let run = |args: &[&str], input: &[u8]| self.run(args, input, Some(&index));
        run(&["read-tree", base.unwrap_or("--empty")], b"")?;
        let mut lines = Vec::new();
        for change in changes {
            if change.mode == "040000" {
                let sha = change.sha.as_deref().ok_or("a folder cannot be deleted by its sha")?;
                run(&["read-tree", &format!("--prefix={}/", change.path), sha], b"")?;
                continue;
            }
            let (mode, sha) = change.sha.as_deref().map_or(("0", ZERO), |sha| (change.mode.as_str(), sha));
            lines.extend_from_slice(format!("{mode} {sha}\t{}\0", change.path).as_bytes());
        }
        run(&["update-index", "-z", "--index-info"], &lines)?;
        let tree = run(&["write-tree"], b"")?;
        // A left-over index does no harm: each has its own name.
        let _ = std::fs::remove_file(&index);
        Ok(String::from_utf8_lossy(&tree).trim().to_owned())
    }

    pub(crate) fn store_commit(&self, commit: &Commit) -> String {
        let person = |p: &Person| format!("{} <{}> {} +0000", p.name, p.email, p.at);
        let parents: String = commit.parents.iter().map(|parent| format!("parent {parent}\n")).collect();
        let text = format!(
            "tree {}\n{parents}author {}\ncommitter {}\n\n{}",
            commit.tree,
            person(&commit.author),
            person(&commit.committer),
            commit.message
        );
        self.store("commit", text.as_bytes())
    }

    pub(crate) fn commit(&self, sha: &str) -> Option<Commit> {
        if self.kind(sha)? != "commit" {
            return None;
        }
        let text = self.run(&["cat-file", "commit", sha], b"", None).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        let of = |name: &str| {
            let lines = head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        Some(Commit {
            tree: of("tree").pop()?,
            parents: of("parent"),
            author: read_person(&of("author").pop()?)?,
            committer: read_person(&of("committer").pop()?)?,
            message: message.to_owned(),
        })
    }

    pub(crate) fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.asked(&["merge-base", "--is-ancestor", old, new]).is_some()
    }

    pub(crate) fn merge_base(&self, a: &str, b: &str) -> Option<String> {
        self.asked(&["merge-base", a, b])
    }

    /// The commits of a range or a commit, newest first.
    pub(crate) fn log(&self, range: &str) -> Vec<String> {
        self.text(&["rev-list", range]).lines().map(str::to_owned).collect()
    }

    /// The commits that changed a file, the newest first.
    pub(crate) fn log_of(&self, range: &str, path: &str) -> Vec<String> {
        self.text(&["rev-list", range, "--", path]).lines().map(str::to_owned).collect()
    }

    /// The tree of a three-way merge, or nothing where it conflicts.
    pub(crate) fn merge(&self, ours: &str, theirs: &str) -> Option<String> {
        let text = self.asked(&["merge-tree", "--write-tree", ours, theirs])?;
        text.lines().next().map(str::to_owned)
    }

    /// The tree of one commit replayed on another.
    pub(crate) fn replay(&self, onto: &str, commit: &str, parent: &str) -> Option<String> {
        let base = format!("--merge-base={parent}");
        let text = self.asked(&["merge-tree", "--write-tree", &base, onto, commit])?;
        text.lines().next().map(str::to_owned)
    }

    pub(crate) fn diff(&self, old: &str, new: &str) -> String {
        let out = self.run(&["diff", "--no-color", "--no-renames", old, new], b"", None).unwrap_or_default();
        String::from_utf8_lossy(&out).into_owned()
    }

    pub(crate) fn changed(&self, old: &str, new: &str) -> Vec<Changed> {
        let raw = self.text(&["diff-tree", "-r", "-z", "--no-renames", old, new]);
        let mut parts = raw.split('\0');
        let mut all = Vec::new();
        while let (Some(meta), Some(path)) = (parts.next(), parts.next()) {
            let words: Vec<&str> = meta.split(' ').collect();
            let [_, _, before, after, letter] = words[..] else { break };
            let text = self.text(&["diff", "--no-color", "--no-renames", old, new, "--", path]);
            let patch = text.find("\n@@").map(|at| text[at + 1..].to_owned()).unwrap_or_default();
            let count = |sign: char| patch.lines().filter(|line| line.starts_with(sign)).count() as u64;
            let (status, sha) = match letter {
                "A" => ("added", after),
                "D" => ("removed", before),
                _ => ("modified", after),
            };
            let (additions, deletions) = (count('+'), count('-'));
            all.push(Changed { path: path.to_owned(), status, sha: sha.to_owned(), additions, deletions, patch });
        }
        all
    }

    /// A gzipped tarball of a commit, every path below `prefix`.
    pub(crate) fn archive(&self, sha: &str, prefix: &str) -> Vec<u8> {
        let prefix = format!("--prefix={prefix}/");
        self.run(&["archive", "--format=tar.gz", &prefix, sha], b"", None).unwrap_or_default()
    }
}

fn read_entry(line: &str) -> Option<Entry> {
    let (meta, path) = line.split_once('\t')?;
    let words: Vec<&str> = meta.split_whitespace().collect();
    let [mode, kind, sha, size] = words[..] else { return None };
    Some(Entry {
        mode: mode.to_owned(),
        kind: kind.to_owned(),
        sha: sha.to_owned(),
        size: size.parse().ok(),
        path: path.to_owned(),
    })
}

fn read_person(line: &str) -> Option<Person> {
    let (name, rest) = line.split_once(" <")?;
    let (email, rest) = rest.split_once("> ")?;
    let at = rest.split(' ').next()?.parse().ok()?;
    Some(Person { name: name.to_owned(), email: email.to_owned(), at })
}

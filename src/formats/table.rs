//! The table of formats, for people: the README's is made from it.

use super::FORMATS;

/// A format's name, the files that it reads, and what in them.
const ROWS: &[(&str, &str, &str)] = &[
    (
        "dockerfile",
        "`Dockerfile`, `Containerfile`, `Dockerfile.*`, `*.Dockerfile` …",
        "`FROM`, `COPY` and `ADD --from`, every `--mount=…,from=`, `ONBUILD`, `# syntax`; values of `ARG` are edited where \
         they stand",
    ),
    (
        "compose",
        "`compose*.yaml`, `docker-compose*.yml`, `*-compose.yaml` …",
        "services of every version, `x-` blocks, anchors, image volumes, `dockerfile_inline`, `additional_contexts`, \
         `${NAME:-default}` with the `.env` beside the file",
    ),
    (
        "kubernetes",
        "any YAML with `apiVersion` and `kind`, manifests in JSON",
        "pod specs at any depth, custom resources, image volumes, `RELATED_IMAGE_*`, `--image=`, Tekton",
    ),
    (
        "helm",
        "`values*.yaml`, `*-values.yaml`, `values/*.yaml`, `*.gotmpl` of them …",
        "`image` texts, `repository` with `tag`, `registry`, `digest`, pairs such as `imageRepository` and `imageTag`",
    ),
    ("helm-unnamed", "any other YAML that no other format reads", "the same, where images stand in parts"),
    (
        "helm-chart",
        "`Chart.yaml`",
        "OCI dependencies, `artifacthub.io/images`, the `appVersion` that values with an empty tag use",
    ),
    ("kustomize", "`kustomization.yaml`", "`images` with `newName`, `newTag`, `digest`; OCI charts; patches"),
    ("kustomize-patch", "any YAML that lists operations of JSON Patch", "images in their values"),
    (
        "gitops",
        "objects of Argo CD, Flux and K3s, in any YAML",
        "OCI charts and artifacts, values, parameters, `kustomize.images`; what Flux's markers move is left to it",
    ),
    ("helmfile", "`helmfile*.yaml`, `helmfile.d/*`, `*.gotmpl` of them", "OCI charts, values, `set`"),
    ("fleet", "`fleet.yaml`", "OCI charts, values"),
    ("vendir", "`vendir.yml`", "images and OCI charts"),
    (
        "github-actions",
        "`.github/workflows/*`, those of Gitea and Forgejo, `action.yml`",
        "job containers, services, `docker://`, matrices and inputs that name images, scripts",
    ),
    (
        "gitlab-ci",
        "`.gitlab-ci.yml`, `*.gitlab-ci.yml`, `.gitlab/ci/*`",
        "`image`, `services`, variables of the file, scripts",
    ),
    ("circleci", "`.circleci/*.yml`", "`docker` images of jobs and executors, parameters' defaults, scripts"),
    (
        "azure-pipelines",
        "`azure-pipelines*.yml`, `.azure-pipelines/*`",
        "container resources, job containers, services, scripts",
    ),
    ("bitbucket-pipelines", "`bitbucket-pipelines.yml`", "`image`, services, `docker://` pipes, scripts"),
    ("drone", "`.drone.yml`", "steps, services, matrices"),
    ("woodpecker", "`.woodpecker.yml`, `.woodpecker/*`", "steps, services, `clone`, matrices"),
    ("crow", "`.crow.yml`, `.crow/*`", "the same"),
    ("vela", "`.vela.yml`", "steps, services, secrets' origins"),
    ("buildkite", "`.buildkite/*.yml`", "docker and kubernetes plugins, hosted agents, commands"),
    ("cloud-build", "`cloudbuild*.yaml`, `cloudbuild*.json`", "steps, substitutions"),
    ("jenkinsfile", "`Jenkinsfile*`, `*.jenkinsfile`", "docker agents, `docker.image`, pod templates, `sh` steps"),
    (
        "terraform",
        "`*.tf`, `*.tofu`",
        "images of docker, kubernetes, ECS, Cloud Run, container apps; OCI charts; maps of images",
    ),
    ("tfvars", "`terraform.tfvars`, `*.auto.tfvars`", "values of variables; images among them"),
    ("tfvars-other", "other `*.tfvars`", "images among the values"),
    (
        "bake",
        "`docker-bake*.hcl`, `docker-bake*.json`",
        "`docker-image://` contexts, arguments, variables' defaults, `dockerfile-inline`",
    ),
    ("nomad", "`*.nomad`, `*.nomad.hcl`", "images of tasks"),
    ("packer", "`*.pkr.hcl`, JSON whose path says packer", "images of docker and podman sources"),
    (
        "cloudformation",
        "CloudFormation, SAM and ECS task definitions, in any YAML, `*.template`, JSON whose path says so",
        "container images; `Ref`, `Sub` and `Join` with parameters' defaults",
    ),
    ("pulumi", "`Pulumi.yaml`, `Pulumi.*.yaml`", "images and OCI charts of resources, settings that name images"),
    (
        "shell",
        "`*.sh`, `Makefile`, `Justfile`, `*.ps1`, `*.bat`, `*.service`, `Taskfile.yml`, `.travis.yml` …",
        "`docker`, `podman` and `nerdctl` `run`, `create`, `pull`, with the file's own variables",
    ),
    ("quadlet", "`*.container`, `*.image`, `*.volume` …", "`Image=`, images that mounts name"),
    ("devcontainer", "`devcontainer.json`", "`image`, features"),
    ("earthfile", "`Earthfile`", "`FROM`, `WITH DOCKER --pull`, `ARG`"),
    ("skaffold", "`skaffold*.yaml`", "builders, base images, verification, OCI charts"),
    ("tilt", "`Tiltfile`, `*.tiltfile`", "literal images that the file does not build"),
    ("maven", "`pom.xml`", "jib, Spring Boot and fabric8 images, `<properties>`"),
    ("gradle", "`*.gradle`, `*.gradle.kts`", "jib and Spring Boot images"),
    ("dotnet", "`*.csproj`, `Directory.Build.props` …", "`ContainerBaseImage`"),
    ("buildpacks", "`project.toml`", "builders, `docker://` buildpacks"),
    ("bazel", "`MODULE.bazel`, `WORKSPACE`, `*.bzl`", "`oci.pull`, `oci_pull`, `container_pull`"),
    ("ansible", "playbooks and tasks", "images of docker and podman modules"),
    ("app-manifest", "`fly.toml`, `captain-definition`", "`image`, `builder`, `imageName`, `dockerfileLines`"),
    ("testcontainers", "sources that use Testcontainers", "literal images"),
    ("dagger", "sources of Dagger pipelines, where the path says so", "literal images of `From`"),
    ("dotenv", "`.env`", "values that a Compose file beside it uses"),
];

/// The table in Markdown, a row for each format in the order of the rows above.
pub fn table() -> String {
    let mut text = "| format | files | what is read |\n|---|---|---|\n".to_owned();
    for (name, files, what) in ROWS.iter().filter(|(name, ..)| FORMATS.iter().any(|format| format.name() == *name)) {
        text.push_str(&format!("| {name} | {files} | {what} |\n"));
    }
    text.push_str(
        "| any of these | every file that is read | `# restow: image=…` and `renovate:` comments beside a version |\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_its_row() {
        for format in FORMATS {
            assert!(ROWS.iter().any(|(name, ..)| *name == format.name()), "{} is not in the table", format.name());
        }
    }
}

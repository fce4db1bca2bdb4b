# docker buildx bake --file deploy/docker-bake.hcl, from the root of the repository; VERSION, REVISION and REPOSITORY from the environment.
variable "VERSION" { default = "dev" }
variable "REVISION" { default = "unknown" }
# Such as images.example.com/media/, with the slash.
variable "REPOSITORY" { default = "" }
# linux/arm64 builds as well.
variable "PLATFORMS" { default = "linux/amd64" }
# 2 for machines without AVX2.
variable "X86_64_LEVEL" { default = "3" }

group "default" { targets = ["image"] }

target "image" {
  name = binary
  matrix = {
    binary = ["media", "media-api", "media-outbox-relay", "media-scanner", "media-transcoder", "media-captioner", "media-janitor"]
  }
  context = "."
  dockerfile = "deploy/Dockerfile"
  target = binary
  tags = ["${REPOSITORY}${binary}:${VERSION}"]
  platforms = split(",", PLATFORMS)
  args = { VERSION = VERSION, REVISION = REVISION, X86_64_LEVEL = X86_64_LEVEL }
  # What is inside, and how it came to be, beside each image.
  attest = [for what in ["type=sbom", "type=provenance,mode=max"] : what if REPOSITORY != ""]
}

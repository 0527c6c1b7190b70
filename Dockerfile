# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The dependencies, which change seldom, are a layer of their own.
COPY Cargo.toml Cargo.lock ./
COPY tests/world/Cargo.toml tests/world/Cargo.toml
RUN mkdir -p src tests/it tests/world/src benches \
 && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs benches/deliveries.rs benches/tags.rs benches/extraction.rs > /dev/null \
 && touch src/lib.rs tests/world/src/lib.rs \
 && cargo build --release --locked --bin restow
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin restow
# A fresh volume takes over the owner of the folder that it covers.
RUN mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/restow /restow
COPY --from=build --chown=65532:65532 /data /data
ENV RESTOW_LISTEN=0.0.0.0:8080 RESTOW_DATABASE_URL=sqlite:/data/restow.db
VOLUME /data
EXPOSE 8080
USER nonroot
HEALTHCHECK --interval=30s --timeout=5s CMD ["/restow", "healthcheck"]
ENTRYPOINT ["/restow"]
CMD ["serve"]

#!/usr/bin/env bash
# build.sh FOLDER: builds etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and kwok from the
# module beside this file, whose go.mod and go.sum pin every source.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$(awk '$1 == "k8s.io/kubernetes" {print $2; exit}' go.mod)
minor=${version#v1.}
said=k8s.io/component-base/version
CGO_ENABLED=0 go build -mod=readonly -trimpath -o "$out/" \
  -ldflags "-s -w -X $said.gitVersion=$version -X $said.gitMajor=1 -X $said.gitMinor=${minor%%.*} -X $said.gitTreeState=clean" \
  k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl} \
  sigs.k8s.io/kwok/cmd/kwok go.etcd.io/etcd/server/v3
mv "$out/server" "$out/etcd"
stages=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
mkdir -p "$out/stages"
cp -f "$stages/node/fast/node-initialize.yaml" "$stages"/pod/fast/pod-{ready,delete,complete}.yaml "$out/stages/"
chmod u+w "$out"/stages/*

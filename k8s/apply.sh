#!/usr/bin/env bash
# apply.sh OVERLAY-OR-FOLDER: applies k8s/overlays/OVERLAY (kind or minikube; or any folder that builds on them) to the cluster of KUBECONFIG,
# makes the Secrets that are not there yet, and waits until everything is ready. Twice is harmless.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
overlay=$1
[ -d "$overlay" ] || overlay=$here/overlays/$1
k() { "${KUBECTL:-kubectl}" --request-timeout=30s -n orrery "$@"; }

"${KUBECTL:-kubectl}" apply -f "$here/base/platform/namespace.yaml"

# secret NAME KEY=VALUE..: made once. An engine keeps the password that it was made with, and codes and keys keep their secrets for good.
secret() {
  local name=$1 pair literals=()
  shift
  ! k get secret "$name" >/dev/null 2>&1 || return 0
  for pair in "$@"; do literals+=("--from-literal=$pair"); done
  k create secret generic "$name" "${literals[@]}"
}
read_secret() { k get secret orrery-engines -o "jsonpath={.data.$1}" | base64 -d; }
secret orrery-engines "postgres-password=$(openssl rand -hex 24)" "redis-password=$(openssl rand -hex 24)" "nats-password=$(openssl rand -hex 24)"
redis="redis://:$(read_secret redis-password)@redis:6379/0?prefix=orrery"
nats="nats://orrery:$(read_secret nats-password)@nats:4222?prefix=orrery"
secret orrery-gateway "ORRERY_GATEWAY_RATE_LIMIT_URL=$redis"
secret orrery-issuer "ORRERY_ISSUER_DATABASE_URL=postgres://orrery:$(read_secret postgres-password)@postgres:5432/orrery?schema=orrery" \
  "ORRERY_ISSUER_API_KEY_SECRET=$(openssl rand -hex 32)"
secret orrery-shortener "ORRERY_SHORTENER_DATABASE_URL=scylla://cql:9042/orrery?replication=1" "ORRERY_SHORTENER_STREAMS_URL=$nats" \
  "ORRERY_SHORTENER_LEASES_URL=$nats" "ORRERY_SHORTENER_CACHE_URL=$redis" "ORRERY_SHORTENER_CODE_KEY=$(openssl rand -hex 32)"
processor_secret=$(openssl rand -hex 32)
processor_webhooks=whsec_$(openssl rand -base64 32)
secret orrery-payment "ORRERY_PAYMENT_DATABASE_URL=postgres://orrery:$(read_secret postgres-password)@postgres:5432/orrery?schema=payment" \
  "ORRERY_PAYMENT_STREAMS_URL=$nats" "ORRERY_PAYMENT_LEASES_URL=$nats" "ORRERY_PAYMENT_PROCESSOR_API_KEY=$processor_secret" \
  "ORRERY_PAYMENT_PROCESSOR_WEBHOOK_SECRET=$processor_webhooks" "ORRERY_PAYMENT_VAULT_KEY=$(openssl rand -hex 32)"
# What the two of them share is read back: a Secret that was there already keeps its own.
of_payment() { k get secret orrery-payment -o "jsonpath={.data.$1}" | base64 -d; }
secret orrery-processor "ORRERY_PROCESSOR_DATABASE_URL=postgres://orrery:$(read_secret postgres-password)@postgres:5432/orrery?schema=processor" \
  "ORRERY_PROCESSOR_API_SECRET=$(of_payment ORRERY_PAYMENT_PROCESSOR_API_KEY)" \
  "ORRERY_PROCESSOR_WEBHOOK_SECRET=$(of_payment ORRERY_PAYMENT_PROCESSOR_WEBHOOK_SECRET)"

# A Job cannot be changed, and the former one is done.
k delete job migrate --ignore-not-found --timeout=60s
"${KUBECTL:-kubectl}" apply -k "$overlay"
for engine in postgres redis nats cql; do k rollout status "statefulset/$engine" --timeout=300s; done
k wait --for=condition=complete job/migrate --timeout=300s
for role in $(k get deployment -o name); do k rollout status "$role" --timeout=300s; done
# The autoscalers bring each role to its least number a moment later.
for role in $(k get hpa -o jsonpath='{.items[*].metadata.name}'); do
  least=$(k get hpa "$role" -o jsonpath='{.spec.minReplicas}')
  k wait "deployment/$role" --for=jsonpath="{.status.availableReplicas}=$least" --timeout=300s
done
k get pods

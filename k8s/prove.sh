#!/usr/bin/env bash
# prove.sh BASE_URL [STEP..]: what the manifests promise, tried on the cluster of KUBECONFIG after `k8s/apply.sh`: the k6 smoke through the
# gateway's Service, a rolling restart of every role under load, a pod killed under load, and who reaches whom. Ends with a table; status 1
# where something did not hold. Steps: smoke restart kill network memory [default: all]. RATE (20) requests a second. KILL: a command that ends the
# processes of the pod it is given at once; without one the pod is deleted with no grace, as Chaos Mesh does it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export BASE_URL=$1
shift
steps=${*:-smoke restart kill network memory}
rate=${RATE:-20} k6=${K6:-k6}
scripts=${K6_SCRIPTS:-$here/../loadtests/k6}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

k() { "${KUBECTL:-kubectl}" --request-timeout=60s -n orrery "$@"; }
say() { printf '%-9s %-6s %s\n' "$1" "$2" "$3" | tee -a "$out/table"; [ "$2" = ok ] || failed=1; }

# A key of its own; its secret stays in this shell.
eval "$(k exec deploy/issuer -- /orrery key create --tenant prove --client "k6-$RANDOM$RANDOM" \
  --scope links:read --scope links:write --scope ledger:read --scope ledger:write --scope payments:read --scope payments:write 2>/dev/null \
  | sed -n 's/^client_id=/export CLIENT_ID=/p; s/^client_secret=/export CLIENT_SECRET=/p')"
[ -n "${CLIENT_SECRET:-}" ] || { echo 'the issuer made no API key' >&2; exit 1; }

# load NAME SCENARIO: k6 in the background, its summary in $out/NAME.json.
load() {
  "$k6" run --quiet --no-color --summary-export "$out/$1.json" "$scripts/$2" >"$out/$1.log" 2>&1 &
  k6_pid=$!
}

# told NAME: "requests failed wrong p95_ms max_ms" of a run. Failed is a lost answer or a 5xx, wrong a check that an answer did not pass (a lost
# one passes none).
told() {
  python3 - "$out/$1.json" <<'P'
import json, sys
m = json.load(open(sys.argv[1]))["metrics"]
d = m["http_req_duration"]
print(m["http_reqs"]["count"], m["http_req_failed"]["passes"], m["checks"]["fails"], round(d["p(95)"]), round(d["max"]))
P
}

smoke() {
  load smoke smoke.js
  if wait "$k6_pid"; then verdict=ok; else verdict=FAILED; fi
  read -r requests lost wrong p95 max < <(told smoke)
  say smoke "$verdict" "$requests requests, $lost failed, $wrong wrong answers, p95 $p95 ms, slowest $max ms"
}

restart() {
  RATE=$rate MINUTES=${MINUTES:-1} load restart load.js
  local began=$SECONDS role
  sleep 20
  for role in shortener payment processor issuer gateway; do
    k rollout restart "deployment/$role" >/dev/null
    k rollout status "deployment/$role" --timeout=180s >/dev/null
  done
  local took=$((SECONDS - began - 20))
  if kill -0 "$k6_pid" 2>/dev/null; then verdict=ok; else verdict=FAILED; fi
  wait "$k6_pid" || true
  read -r requests lost wrong p95 max < <(told restart)
  [ "$lost" = 0 ] && [ "$wrong" = 0 ] || verdict=FAILED
  say restart "$verdict" "every role anew within $took s under load: $requests requests, $lost failed, $wrong wrong answers, p95 $p95 ms, slowest $max ms"
}

delete_at_once() { k delete pod "$1" --grace-period=0 --force >/dev/null 2>&1; }

# What died with a pod is a handful of requests in flight; a second later nothing is missing.
kill_pod() {
  RATE=$rate MINUTES=${MINUTES:-1} load kill load.js
  sleep 25
  local pod before
  pod=$(k get pod -l app.kubernetes.io/name=shortener -o jsonpath='{.items[0].metadata.name}')
  before=$SECONDS
  ${KILL:-delete_at_once} "$pod"
  # Until Kubernetes has noticed; after a deletion it has already.
  k wait deployment/shortener --for=jsonpath='{.status.readyReplicas}'=1 --timeout=5s >/dev/null 2>&1 || true
  k rollout status deployment/shortener --timeout=180s >/dev/null
  local took=$((SECONDS - before))
  wait "$k6_pid" || true
  read -r requests lost wrong p95 max < <(told kill)
  # One of two pods: what it had in hand, and what was sent to it until its Service knew.
  if [ "$lost" -le $((rate * 2)) ]; then verdict=ok; else verdict=FAILED; fi
  say kill "$verdict" "a shortener killed under load, replaced after $took s: $requests requests, $lost failed, $wrong wrong answers, p95 $p95 ms, slowest $max ms"
  load after smoke.js
  if wait "$k6_pid"; then say kill ok "the smoke passes afterwards"; else say kill FAILED "the smoke afterwards: $(tail -n 1 "$out/after.log")"; fi
}

# reach LABEL TARGET PORT: `open` or `shut`, as a pod with that name sees it.
reach() {
  local pod=prove-$RANDOM$RANDOM
  k run "$pod" --image="${PROBE_IMAGE:-orrery-redis:7.0}" --restart=Never --labels="app.kubernetes.io/name=$1" --overrides='{"spec": {
    "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1,
    "securityContext": {"runAsNonRoot": true, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [{"name": "probe", "image": "'"${PROBE_IMAGE:-orrery-redis:7.0}"'", "imagePullPolicy": "IfNotPresent",
      "command": ["bash", "-c", "sleep 2; if timeout 4 bash -c \"</dev/tcp/'"$2/$3"'\" 2>/dev/null; then echo open; else echo shut; fi"],
      "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}}' >/dev/null
  k wait "pod/$pod" --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s >/dev/null
  k logs "$pod"
  k delete pod "$pod" --wait=false >/dev/null
}

network() {
  local row from to port expected seen
  # By address: whether a name is found is another question.
  for row in 'migrate postgres 5432 open' 'gateway postgres 5432 shut' 'prove postgres 5432 shut' 'migrate cql 9042 open' 'gateway cql 9042 shut' \
    'issuer cql 9042 shut' 'prove redis 6379 shut' 'issuer nats 4222 shut' 'payment postgres 5432 open' 'payment cql 9042 shut'; do
    read -r from to port expected <<<"$row"
    seen=$(reach "$from" "$(k get pod "$to-0" -o jsonpath='{.status.podIP}')" "$port")
    if [ "$seen" = "$expected" ]; then verdict=ok; else verdict=FAILED; fi
    say network "$verdict" "a pod named $from finds $to $seen"
  done
}

# What each container takes now: the requests in the manifests are measured by this.
memory() {
  local line
  k get --raw "/api/v1/nodes/$("${KUBECTL:-kubectl}" get node -o jsonpath='{.items[0].metadata.name}')/proxy/stats/summary" >"$out/stats.json"
  while read -r line; do say memory ok "$line"; done < <(python3 - "$out/stats.json" <<'P'
import json, sys
for pod in sorted(json.load(open(sys.argv[1]))["pods"], key=lambda p: p["podRef"]["name"]):
    if pod["podRef"]["namespace"] == "orrery":
        for c in pod.get("containers", []):
            print(pod["podRef"]["name"], round(c.get("memory", {}).get("workingSetBytes", 0) / 2**20), "MiB,",
                  round(c.get("cpu", {}).get("usageCoreNanoSeconds", 0) / 1e9, 1), "s of CPU so far")
P
  )
}

for step in $steps; do
  echo "== $step"
  case $step in
  smoke | restart | network | memory) "$step" ;;
  kill) kill_pod ;;
  *) echo "no step $step" >&2; exit 64 ;;
  esac
done
echo
sort -s -k1,1 "$out/table"
exit $failed

{{/* What a schema cannot say of values, or not in words. */}}
{{- define "tipstaff.checks" -}}
{{- $config := .Values.config -}}
{{- include "tipstaff.checkConfig" . -}}
{{- include "tipstaff.checkAdmin" . -}}
{{- include "tipstaff.checkMode" . -}}
{{- $several := or (ne .Values.mode "standalone") (gt (int .Values.replicas) 1) -}}
{{- if and $several (not $config.unit_key_file) -}}
{{- fail "config.unit_key_file is missing: several gateways deal users alike only by the same key; name a file of a Secret, like /etc/tipstaff/secrets/unit-key/key (openssl rand -hex 32)" -}}
{{- end -}}
{{- if eq .Values.mode "standalone" -}}{{- include "tipstaff.checkStandalone" . -}}{{- end -}}
{{- if eq .Values.mode "sidecar" -}}{{- include "tipstaff.checkSidecar" . -}}{{- end -}}
{{- if eq .Values.mode "split" -}}{{- include "tipstaff.checkSplit" . -}}{{- end -}}
{{- include "tipstaff.checkFiles" . -}}
{{- end }}

{{- define "tipstaff.checkConfig" -}}
{{- $config := .Values.config -}}
{{- if not $config.models -}}
{{- fail "config.models is missing: name a model and its arms, like examples/standalone.yaml" -}}
{{- end -}}
{{- $chart := dict "listen" "service.port" "admin" "admin.public" "data" "persistence" "constitution" "constitution" -}}
{{- range $key, $instead := $chart -}}
{{- if hasKey $config $key -}}{{- fail (printf "config.%s is the chart's: set %s instead" $key $instead) -}}{{- end -}}
{{- end -}}
{{- if hasKey (default dict $config.deadlines) "drain" -}}
{{- fail "config.deadlines.drain is the chart's: set drainSeconds instead, which the pod's grace period follows" -}}
{{- end -}}
{{- if hasKey (default dict $config.events) "source" -}}
{{- fail "config.events.source is the chart's: it is the pod's name; set sources for one that lost its claim" -}}
{{- end -}}
{{- $pods := list -}}
{{- range $role := (include "tipstaff.gateways" . | fromJson).roles -}}
{{- $where := dict "root" $ "role" $role -}}
{{- range $number := until (include "tipstaff.replicas" $where | int) -}}
{{- $pods = append $pods (printf "%s-%d" (include "tipstaff.workload" $where) $number) -}}
{{- end -}}
{{- end -}}
{{- range $pod, $source := .Values.sources -}}
{{- if not (has $pod $pods) -}}
{{- fail (printf "sources: %q is no pod of this release: %s" $pod (join ", " $pods)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $model := $config.models -}}
{{- if not (kindIs "slice" $model.arms) -}}
{{- fail (printf "config.models.%s.arms is no list: the first arm is the baseline, and a map has no order in Helm; write - {name: stable, endpoints: [...]}" $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tipstaff.checkAdmin" -}}
{{- $config := .Values.config -}}
{{- if and .Values.admin.public (not (or $config.admin_tokens $config.admin_users $config.admin_token_file)) -}}
{{- fail "admin.public: whoever reaches the admin port would be an operator: set config.admin_tokens (tipstaff token ada --role operator), or admin.public: false" -}}
{{- end -}}
{{- if and (eq .Values.mode "split") (not .Values.admin.public) -}}
{{- fail "mode: split: the proxies fetch the routing table from the control's admin port: set admin.public: true" -}}
{{- end -}}
{{- if .Values.serviceMonitor.enabled -}}
{{- if not .Values.admin.public -}}
{{- fail "serviceMonitor.enabled: Prometheus cannot reach an admin port on 127.0.0.1: set admin.public: true" -}}
{{- end -}}
{{- if not (and .Values.serviceMonitor.token.secret .Values.serviceMonitor.token.key) -}}
{{- fail "serviceMonitor.token is missing: name the Secret and the key of a viewer's token (tipstaff token prometheus --role viewer)" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Kubernetes would refuse it too, once the Services lead to pods that never come. */}}
{{- define "tipstaff.checkMode" -}}
{{- range $role := (include "tipstaff.gateways" . | fromJson).roles -}}
{{- $runs := lookup "apps/v1" "StatefulSet" $.Release.Namespace (include "tipstaff.workload" (dict "root" $ "role" $role)) -}}
{{- $now := dig "spec" "selector" "matchLabels" "app.kubernetes.io/component" $role $runs -}}
{{- if ne $now $role -}}
{{- fail (printf "mode: %s: this release runs in %s mode, and keeps it: install another one beside it" $role $now) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tipstaff.checkStandalone" -}}
{{- $config := .Values.config -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- if not $config.state -}}
{{- fail (printf "replicas: %v: the embedded store is one gateway's own; set config.state (PostgreSQL) and config.events.kafka, or replicas: 1" .Values.replicas) -}}
{{- end -}}
{{- if not (default dict $config.events).kafka -}}
{{- fail (printf "replicas: %v: whoever leads decides on what all gateways see, which comes over Kafka: set config.events.kafka" .Values.replicas) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tipstaff.checkSidecar" -}}
{{- $config := .Values.config -}}
{{- $sidecar := .Values.sidecar -}}
{{- if not (and $sidecar.model $sidecar.arm $sidecar.engine.image) -}}
{{- fail "mode: sidecar: set sidecar.model, sidecar.arm and sidecar.engine.image: what the engine in the pod serves" -}}
{{- end -}}
{{- if not $config.control -}}
{{- fail "mode: sidecar: set config.control (url, token_file): each pod has one arm, so a central control decides who goes where" -}}
{{- end -}}
{{- $model := get $config.models $sidecar.model -}}
{{- if not $model -}}{{- fail (printf "sidecar.model: %q is not in config.models" $sidecar.model) -}}{{- end -}}
{{- $found := false -}}
{{- range $model.arms -}}
{{- if eq .name $sidecar.arm -}}
{{- $found = true -}}
{{- if .endpoints -}}{{- fail (printf "config.models.%s.arms: %q is the engine in the pod: leave its endpoints out" $sidecar.model $sidecar.arm) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $found -}}{{- fail (printf "sidecar.arm: %q is not among the arms of %q" $sidecar.arm $sidecar.model) -}}{{- end -}}
{{- end }}

{{- define "tipstaff.checkSplit" -}}
{{- $config := .Values.config -}}
{{- if $config.control -}}
{{- fail "config.control is the chart's in split mode: proxies and scorers follow the control of this release" -}}
{{- end -}}
{{- if not (default dict $config.events).kafka -}}
{{- fail "mode: split: proxies, scorers and control meet in Kafka: set config.events.kafka.bootstrap" -}}
{{- end -}}
{{- if not .Values.split.tokenFile -}}
{{- fail "split.tokenFile is missing: the file of a token of the role proxy (tipstaff token proxies --role proxy), which also stands in config.admin_tokens" -}}
{{- end -}}
{{- $named := false -}}
{{- range default list $config.admin_tokens -}}{{- if eq .role "proxy" -}}{{- $named = true -}}{{- end -}}{{- end -}}
{{- if not $named -}}
{{- fail "config.admin_tokens has none of the role proxy: the control would refuse its proxies the routing table" -}}
{{- end -}}
{{- if and (gt (int .Values.split.control.replicas) 1) (not $config.state) -}}
{{- fail (printf "split.control.replicas: %v: more than one that can decide share their state: set config.state (PostgreSQL)" .Values.split.control.replicas) -}}
{{- end -}}
{{- $scaling := .Values.split.scorer.autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- fail (printf "split.scorer.autoscaling: minReplicas %v is more than maxReplicas %v" $scaling.minReplicas $scaling.maxReplicas) -}}
{{- end -}}
{{- $asked := (default .Values.resources .Values.split.scorer.resources).requests -}}
{{- if and $scaling.enabled (not (default dict $asked).cpu) -}}
{{- fail "split.scorer.autoscaling: scales by the share of the CPU that is asked for: set split.scorer.resources.requests.cpu" -}}
{{- end -}}
{{- end }}

{{/* A file under secrets/S must be of a Secret that is mounted: else the pod only says so once it starts. */}}
{{- define "tipstaff.checkFiles" -}}
{{- $mounted := .Values.secrets -}}
{{- range regexFindAll "/etc/tipstaff/secrets/[^/\"]+/" (list .Values.config .Values.split.tokenFile | toJson) -1 -}}
{{- $secret := base (trimSuffix "/" .) -}}
{{- if not (has $secret $mounted) -}}
{{- fail (printf "config names a file of the Secret %q, which is not mounted: add it to secrets" $secret) -}}
{{- end -}}
{{- end -}}
{{- end }}

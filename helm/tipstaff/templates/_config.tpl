{{/* A map as YAML: numbers as JSON has them, for Helm's own YAML makes 1000000 into 1e+06, which is text to others. */}}
{{- define "tipstaff.yaml" -}}
{{- range $key, $value := . }}
{{- if and (kindIs "map" $value) $value }}
{{ $key | toJson }}:
{{- include "tipstaff.yaml" $value | trim | nindent 2 }}
{{- else }}
{{ $key | toJson }}: {{ $value | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{/* The models, each with its arms in the order of the list: the first is the baseline. */}}
{{- define "tipstaff.models" -}}
{{- $root := .root -}}
{{- $follows := .follows -}}
{{- range $name, $model := $root.Values.config.models }}
{{ $name | toJson }}:
{{- $rest := omit $model "arms" -}}
{{- if $follows -}}{{- $rest = omit $rest "rollout" -}}{{- end -}}
{{- with include "tipstaff.yaml" $rest | trim }}{{ . | nindent 2 }}{{ end }}
  arms:
{{- range $arm := $model.arms }}
    {{ $arm.name | toJson }}:
{{- $keys := omit $arm "name" -}}
{{- if $follows -}}{{- $keys = omit $keys "weight" -}}{{- end -}}
{{- if and (eq $root.Values.mode "sidecar") (eq $name $root.Values.sidecar.model) (eq $arm.name $root.Values.sidecar.arm) -}}
{{- $keys = set $keys "endpoints" (list (printf "http://127.0.0.1:%v" $root.Values.sidecar.engine.port)) -}}
{{- end -}}
{{- include "tipstaff.yaml" $keys | trim | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The other gateways whose events this one decides on: JSON, {"names": [...]}. Arguments: root, role, name. */}}
{{- define "tipstaff.gathered" -}}
{{- $names := default list (default dict .root.Values.config.events).gather -}}
{{- range $role := (include "tipstaff.gateways" .root | fromJson).roles -}}
{{- $where := dict "root" $.root "role" $role -}}
{{- $workload := include "tipstaff.workload" $where -}}
{{- range $number := until (include "tipstaff.replicas" $where | int) -}}
{{- $pod := printf "%s-%d" $workload $number -}}
{{- $names = append $names (include "tipstaff.source" (dict "root" $.root "name" $pod)) -}}
{{- end -}}
{{- end -}}
{{- dict "names" (without $names (include "tipstaff.source" .)) | toJson -}}
{{- end }}

{{/* What a pod's events are told by: its name, until its claim is lost. Arguments: root, name. */}}
{{- define "tipstaff.source" -}}
{{- default .name (get (default dict .root.Values.sources) .name) -}}
{{- end }}

{{/* `events` of one gateway: JSON. Arguments: root, role, name. */}}
{{- define "tipstaff.events" -}}
{{- $events := default dict .root.Values.config.events | deepCopy -}}
{{- $decides := or (eq .role "control") (and (eq .role "standalone") (gt (int .root.Values.replicas) 1)) -}}
{{- if ne .role "scorer" -}}
{{- $events = set $events "source" (include "tipstaff.source" .) -}}
{{- end -}}
{{- if eq .root.Values.mode "split" -}}
{{- $events = set $events "content" (eq .role "scorer" | ternary "omit" "include") -}}
{{- end -}}
{{- if $decides -}}
{{- $events = set $events "gather" (include "tipstaff.gathered" . | fromJson).names -}}
{{- else if ne .role "standalone" -}}
{{- $events = omit $events "gather" -}}
{{- end -}}
{{- $events | toJson -}}
{{- end }}

{{/* The file of one gateway, or of scorers. Arguments: root, role, name. */}}
{{- define "tipstaff.config" -}}
{{- $values := .root.Values -}}
{{- $config := omit $values.config "models" "events" "deadlines" | deepCopy -}}
{{- $follows := or (eq .role "proxy") (eq .role "scorer") (not (empty $values.config.control)) -}}
{{- if or (eq .role "proxy") (eq .role "scorer") -}}
{{- $config = omit $config "state" "notify" -}}
{{- end -}}
{{- if eq .role "proxy" -}}
{{- $url := printf "http://%s-admin:%v" (include "tipstaff.fullname" .root) $values.admin.port -}}
{{- $config = set $config "control" (dict "url" $url "token_file" $values.split.tokenFile) -}}
{{- end -}}
{{- if $values.constitution -}}
{{- $config = set $config "constitution" "/etc/tipstaff/config/constitution.yaml" -}}
{{- end -}}
{{- $deadlines := default dict $values.config.deadlines | deepCopy -}}
{{- $config = set $config "deadlines" (set $deadlines "drain" $values.drainSeconds) -}}
{{- $config = set $config "events" (include "tipstaff.events" . | fromJson) -}}
{{- $config = set $config "listen" "0.0.0.0:8080" -}}
{{- $config = set $config "admin" (printf "%s:9191" ($values.admin.public | ternary "0.0.0.0" "127.0.0.1")) -}}
{{- $config = set $config "data" "/var/lib/tipstaff/data" -}}
{{- include "tipstaff.yaml" $config | trim }}
models:
{{- include "tipstaff.models" (dict "root" .root "follows" $follows) | trim | nindent 2 }}
{{- end }}

{{- define "tipstaff.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What everything is called; short enough for "-control-0" behind it, in a label too. */}}
{{- define "tipstaff.fullname" -}}
{{- $name := include "tipstaff.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "tipstaff.selector" -}}
app.kubernetes.io/name: {{ include "tipstaff.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tipstaff.labels" -}}
{{ include "tipstaff.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tipstaff.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "tipstaff.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "tipstaff.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* The workload that a role is: a StatefulSet's or a Deployment's name. */}}
{{- define "tipstaff.workload" -}}
{{- $full := include "tipstaff.fullname" .root -}}
{{- if has .role (list "proxy" "control" "scorer") -}}{{ $full }}-{{ .role }}{{- else -}}{{ $full }}{{- end -}}
{{- end }}

{{- define "tipstaff.replicas" -}}
{{- if has .role (list "proxy" "control" "scorer") -}}
{{ (get .root.Values.split .role).replicas }}
{{- else -}}
{{ .root.Values.replicas }}
{{- end -}}
{{- end }}

{{/* Roles with a data folder: JSON, {"roles": [...]}. */}}
{{- define "tipstaff.gateways" -}}
{{- if eq .Values.mode "split" -}}{"roles": ["proxy", "control"]}{{- else -}}{"roles": [{{ .Values.mode | quote }}]}{{- end -}}
{{- end }}

{{/* The role that clients ask, and the one whose admin port decides. In maintenance no pod has the first: theirs are ready,
     for only so are all of them replaced, and nobody is sent there. */}}
{{- define "tipstaff.dataRole" -}}
{{- if .Values.maintenance -}}maintenance{{- else -}}{{ eq .Values.mode "split" | ternary "proxy" .Values.mode }}{{- end -}}
{{- end }}
{{- define "tipstaff.adminRole" -}}{{ eq .Values.mode "split" | ternary "control" .Values.mode }}{{- end }}

{{/* From SIGTERM on: proxies drain and flush (10 s), then the scorer (30), the controller (15) and the relay (45) end.
     In sidecar mode the engine ends before them (30). */}}
{{- define "tipstaff.grace" -}}
{{- $relay := (default dict .Values.config.events).kafka | empty | ternary 0 45 -}}
{{- $engine := eq .Values.mode "sidecar" | ternary 30 0 -}}
{{ add .Values.preStopSeconds .Values.drainSeconds 10 30 15 $relay $engine }}
{{- end }}

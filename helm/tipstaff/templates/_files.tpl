{{/* Every file of a workload's ConfigMap. Arguments: root, role, workload. */}}
{{- define "tipstaff.files" -}}
{{- if eq .role "scorer" }}
scorer.yaml: |
  {{- include "tipstaff.config" (dict "root" .root "role" .role "name" "") | nindent 2 }}
{{- else }}
{{- range $number := until (include "tipstaff.replicas" . | int) }}
{{- $name := printf "%s-%d" $.workload $number }}
{{ $name }}.yaml: |
  {{- include "tipstaff.config" (dict "root" $.root "role" $.role "name" $name) | nindent 2 }}
{{- end }}
{{- end }}
{{- with .root.Values.constitution }}
constitution.yaml: {{ toJson . }}
{{- end }}
{{- end }}

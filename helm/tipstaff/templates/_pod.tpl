{{/* A pod. Arguments: root, role, workload. Gateways get their claim from the StatefulSet; scorers keep nothing. */}}
{{- define "tipstaff.pod" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "tipstaff.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
    {{- with $values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    kubectl.kubernetes.io/default-container: tipstaff
    {{- if eq $values.onConfigChange "restart" }}
    # Of the file as a pod without a number would have it: one proxy more is nothing to the others.
    {{- $file := include "tipstaff.config" (dict "root" .root "role" .role "name" "") }}
    tipstaff.dev/config: {{ printf "%s%s%s" $file $values.constitution (toJson $values.sources) | sha256sum }}
    {{- end }}
    {{- with $values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "tipstaff.serviceAccount" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "tipstaff.grace" .root }}
  securityContext:
    {{- toYaml $values.podSecurityContext | nindent 4 }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- if eq .role "sidecar" }}
  initContainers:
    - {{ include "tipstaff.container" . | indent 6 | trim }}
      # A native sidecar: it starts before the engine, and ends after it.
      restartPolicy: Always
  containers:
    - {{ include "tipstaff.engine" . | indent 6 | trim }}
  {{- else }}
  containers:
    - {{ include "tipstaff.container" . | indent 6 | trim }}
  {{- end }}
  volumes:
    {{- include "tipstaff.volumes" . | nindent 4 }}
  {{- with include "tipstaff.placement" . | trim }}{{ . | nindent 2 }}{{ end }}
{{- end }}

{{- define "tipstaff.volumes" -}}
{{- $values := .root.Values -}}
- name: config
  configMap:
    name: {{ .workload }}-config
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- if eq .role "scorer" }}
- name: data
  emptyDir: {sizeLimit: 1Gi}
{{- end }}
{{- if eq .role "sidecar" }}
# Models and kernels that an engine loads and builds go below its home: no gibibyte is enough, and more than that evicts.
- name: engine
  emptyDir: {}
- name: shm
  emptyDir: {medium: Memory}
{{- end }}
{{- range $index, $secret := $values.secrets }}
- name: secret-{{ $index }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tipstaff.placement" -}}
{{- $values := .root.Values -}}
{{- if $values.topologySpread }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "tipstaff.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.role }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

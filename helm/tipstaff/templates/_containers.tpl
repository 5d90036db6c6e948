{{/* tipstaff itself. The command is the image's; a gateway's file is called like its pod. */}}
{{- define "tipstaff.container" -}}
{{- $values := .root.Values -}}
name: tipstaff
image: {{ include "tipstaff.image" .root }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- if $values.maintenance }}
# Process 1 hears of a signal only that it has blocked.
command:
  - python
  - -c
  - import signal as s; s.pthread_sigmask(s.SIG_BLOCK, [s.SIGTERM]); s.sigwait([s.SIGTERM])
{{- else if eq .role "scorer" }}
args: [scorer, /etc/tipstaff/config/scorer.yaml, --from, kafka]
{{- else }}
args: [serve, /etc/tipstaff/config/$(POD_NAME).yaml]
{{- end }}
{{- if ne .role "scorer" }}
ports:
  - {name: data, containerPort: 8080}
  {{- if $values.admin.public }}
  - {name: admin, containerPort: 9191}
  {{- end }}
{{- end }}
env:
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - {name: HOME, value: /tmp}
  - {name: XDG_STATE_HOME, value: /var/lib/tipstaff/state}
  {{- with $values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $values.securityContext | nindent 2 }}
{{- $own := dict -}}
{{- if eq $values.mode "split" -}}{{- $own = (get $values.split .role).resources -}}{{- end }}
resources:
  {{- default $values.resources $own | toYaml | nindent 2 }}
{{- if not (or $values.maintenance (eq .role "scorer")) }}
{{- include "tipstaff.probes" . | nindent 0 }}
{{- end }}
{{- if not (or $values.maintenance (eq .role "sidecar")) }}
lifecycle:
  preStop: {sleep: {seconds: {{ $values.preStopSeconds }}}}
{{- end }}
volumeMounts:
  - {name: config, mountPath: /etc/tipstaff/config, readOnly: true}
  # The data folder is below it: one that is a mount point could not be migrated.
  - {name: data, mountPath: /var/lib/tipstaff}
  - {name: tmp, mountPath: /tmp}
  {{- range $index, $secret := $values.secrets }}
  - {name: secret-{{ $index }}, mountPath: /etc/tipstaff/secrets/{{ $secret }}, readOnly: true}
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Of the port that this role is there for: the control's is the admin port. */}}
{{- define "tipstaff.probes" -}}
{{- $values := .root.Values -}}
{{- $port := eq .role "control" | ternary "admin" "data" -}}
{{- $scheme := and (eq $port "data") (not (empty $values.config.tls)) | ternary "HTTPS" "HTTP" -}}
# What does not answer does not drain either: it has as long as everything else takes to end.
{{- $grace := sub (include "tipstaff.grace" .root | int) $values.drainSeconds }}
startupProbe:
  httpGet: {path: /livez, port: {{ $port }}, scheme: {{ $scheme }}}
  terminationGracePeriodSeconds: {{ $grace }}
  {{- toYaml $values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /livez, port: {{ $port }}, scheme: {{ $scheme }}}
  terminationGracePeriodSeconds: {{ $grace }}
  {{- toYaml $values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: {{ $port }}, scheme: {{ $scheme }}}
  {{- toYaml $values.probes.readiness | nindent 2 }}
{{- end }}

{{/* The engine of a sidecar's pod. It gets its SIGTERM first, and would break off what is under way: so it sleeps as long as
     answers may take. */}}
{{- define "tipstaff.engine" -}}
{{- $values := .root.Values -}}
{{- $engine := $values.sidecar.engine -}}
name: engine
image: {{ $engine.image }}
{{- with $engine.command }}
command: {{ toJson . }}
{{- end }}
{{- with $engine.args }}
args: {{ toJson . }}
{{- end }}
ports:
  - {name: engine, containerPort: {{ $engine.port }}}
env:
  - {name: HOME, value: /tmp}
  # The image knows no user of this number, and torch asks for its name.
  - {name: USER, value: engine}
  {{- with $engine.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
securityContext:
  {{- toYaml $engine.securityContext | nindent 2 }}
resources:
  {{- toYaml $engine.resources | nindent 2 }}
startupProbe:
  {{- if $engine.startupProbe }}
  {{- toYaml $engine.startupProbe | nindent 2 }}
  {{- else }}
  tcpSocket: {port: engine}
  periodSeconds: 10
  failureThreshold: 180
  {{- end }}
lifecycle:
  preStop: {sleep: {seconds: {{ add $values.preStopSeconds $values.drainSeconds }}}}
volumeMounts:
  - {name: engine, mountPath: /tmp}
  - {name: shm, mountPath: /dev/shm}
  {{- with $engine.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

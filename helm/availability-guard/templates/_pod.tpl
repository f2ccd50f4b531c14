{{/* What the pods have in common. */}}

{{/* (dict "root" $ "component" "relay") */}}
{{- define "availability-guard.podMetadata" -}}
annotations:
  checksum/settings: {{ include "availability-guard.settings" .root | sha256sum }}
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- include "availability-guard.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* No program asks the cluster for anything: no token, and no variables of services, one of which could look like a
     setting. */}}
{{- define "availability-guard.podSpec" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* (dict "root" $ "image" .Values.image.guard): image and rights of a container. */}}
{{- define "availability-guard.container" -}}
image: {{ include "availability-guard.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with .root.Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Sockets, and the file in which all programs of the pod count. */}}
{{- define "availability-guard.runtimeVolume" -}}
- name: runtime
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
{{- end }}

{{- define "availability-guard.runtimeMount" -}}
- name: runtime
  mountPath: /run/availability-guard
{{- end }}

{{/* What sends the traces of a pod. The programs hand them over at a socket in the runtime folder. */}}
{{- define "availability-guard.traceExporter" -}}
{{- if include "availability-guard.tracesEndpoint" . }}
- name: trace-exporter
  {{- include "availability-guard.container" (dict "root" . "image" .Values.image.events) | nindent 2 }}
  command: [/usr/sbin/availability-guard-trace-exporter]
  envFrom:
    {{- include "availability-guard.settingsFrom" . | nindent 4 }}
  {{- with include "availability-guard.env" (dict "root" . "of" (list "tracingEnv")) }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .Values.tracing.resources | nindent 4 }}
  volumeMounts:
    {{- include "availability-guard.runtimeMount" . | nindent 4 }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{/* A Deployment of one program that serves nobody: sweeper, relay, notifier, commands.
     (dict "root" $ "component" "relay" "image" .Values.image.events "env" (list "databaseEnv" "kafkaEnv")) */}}
{{- define "availability-guard.worker" -}}
{{- $root := .root }}
{{- $values := get $root.Values .component }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "availability-guard.fullname" $root }}-{{ .component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "availability-guard.labels" . | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  selector:
    matchLabels:
      {{- include "availability-guard.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      {{- include "availability-guard.podMetadata" . | nindent 6 }}
        {{- if include "availability-guard.workerMetricsOn" $root }}
        availability-guard/metrics: worker
        {{- end }}
    spec:
      {{- include "availability-guard.podSpec" $root | nindent 6 }}
      serviceAccountName: {{ include "availability-guard.serviceAccountName" $root }}
      terminationGracePeriodSeconds: {{ $root.Values.workerTerminationGracePeriodSeconds }}
      {{- with $root.Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.topologySpreadConstraints }}
      topologySpreadConstraints:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          {{- include "availability-guard.container" . | nindent 10 }}
          command: [/usr/sbin/availability-guard-{{ .component }}]
          envFrom:
            {{- include "availability-guard.settingsFrom" $root | nindent 12 }}
          {{- with include "availability-guard.env" (dict "root" $root "of" .env) }}
          env:
            {{- . | nindent 12 }}
          {{- end }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            {{- include "availability-guard.runtimeMount" $root | nindent 12 }}
            {{- with $root.Values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
        {{- if include "availability-guard.workerMetricsOn" $root }}
        {{- include "availability-guard.workerMetrics" $root | nindent 8 }}
        {{- end }}
        {{- include "availability-guard.traceExporter" $root | nindent 8 }}
      volumes:
        {{- include "availability-guard.runtimeVolume" $root | nindent 8 }}
        {{- if include "availability-guard.workerMetricsOn" $root }}
        - name: metrics
          configMap:
            name: {{ include "availability-guard.fullname" $root }}-metrics
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
        {{- end }}
        {{- with $root.Values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}

{{/* A guard process that is asked for nothing but the metrics of the program beside it, and nginx in front of it. When
     the guard ends, so does the container, by its probe. */}}
{{- define "availability-guard.workerMetrics" -}}
- name: metrics
  {{- include "availability-guard.container" (dict "root" . "image" .Values.image.guard) | nindent 2 }}
  command:
    - /bin/sh
    - -ec
    - |
      spawn-fcgi -n -s /run/availability-guard/metrics.sock -M 0600 -- /usr/sbin/availability-guard &
      exec nginx -c /etc/availability-guard-metrics/nginx.conf -e stderr -g 'daemon off;'
  envFrom:
    {{- include "availability-guard.settingsFrom" . | nindent 4 }}
  {{- with include "availability-guard.env" (dict "root" . "of" (list "databaseEnv")) }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  ports:
    - name: metrics
      containerPort: {{ .Values.metrics.workersPort }}
  livenessProbe:
    httpGet:
      path: /metrics
      port: metrics
    periodSeconds: 20
    timeoutSeconds: 5
  resources:
    {{- toYaml .Values.metrics.resources | nindent 4 }}
  volumeMounts:
    {{- include "availability-guard.runtimeMount" . | nindent 4 }}
    - name: metrics
      mountPath: /etc/availability-guard-metrics
      readOnly: true
    - name: tmp
      mountPath: /tmp
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

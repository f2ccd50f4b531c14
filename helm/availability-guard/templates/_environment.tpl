{{/* Environments of containers: the ConfigMap with all settings, and what is secret. Each gets the secrets that it
     needs and no others. */}}

{{/* (dict "name" "DB_PASSWORD" "secret" "…" "key" "…" "optional" false) */}}
{{- define "availability-guard.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{- define "availability-guard.settingsFrom" -}}
- configMapRef:
    name: {{ include "availability-guard.fullname" . }}
{{- end }}

{{- define "availability-guard.databaseEnv" -}}
{{- with .Values.database }}
{{- if and .existingSecret .urlKey }}
{{ include "availability-guard.fromSecret" (dict "name" "DATABASE_URL" "secret" .existingSecret "key" .urlKey) }}
{{- else if .existingSecret }}
{{ include "availability-guard.fromSecret" (dict "name" "DB_PASSWORD" "secret" .existingSecret "key" .passwordKey) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "availability-guard.adminTokensEnv" -}}
{{- with .Values.adminTokens }}
{{- if .existingSecret }}
{{ include "availability-guard.fromSecret" (dict "name" "AVAILABILITY_GUARD_ADMIN_TOKENS" "secret" .existingSecret "key" .key "optional" (not .required)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "availability-guard.grpcAuthEnv" -}}
{{- with .Values.grpcAuth }}
{{- if .existingSecret }}
{{ include "availability-guard.fromSecret" (dict "name" "GRPC_AUTH_TOKEN" "secret" .existingSecret "key" .key) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "availability-guard.kafkaEnv" -}}
{{- range $name, $from := .Values.kafkaSecretProperties }}
{{ include "availability-guard.fromSecret" (dict "name" $name "secret" $from.secret "key" $from.key) }}
{{- end }}
{{- end }}

{{/* An address is needed where its channel is on and calls are really made; an API key never. */}}
{{- define "availability-guard.notificationsEnv" -}}
{{- $root := . }}
{{- with .Values.notifications }}
{{- if .existingSecret }}
{{- $secret := .existingSecret }}
{{- $dryRun := include "availability-guard.dryRun" $root }}
{{- range $channel := list "email" "sms" "slack" }}
{{- $prefix := printf "AVAILABILITY_GUARD_NOTIFICATION_%s" (upper $channel) }}
{{- $on := include "availability-guard.setting" (dict "root" $root "name" (printf "%s_ENABLED" $prefix) "default" (eq $channel "email")) }}
{{- $needed := and (eq $on "true") (not $dryRun) }}
{{ include "availability-guard.fromSecret" (dict "name" (printf "%s_WEBHOOK_URL" $prefix) "secret" $secret "key" (printf "%s-webhook-url" $channel) "optional" (not $needed)) }}
{{ include "availability-guard.fromSecret" (dict "name" (printf "%s_API_KEY" $prefix) "secret" $secret "key" (printf "%s-api-key" $channel) "optional" true) }}
{{- end }}
{{- with .signingSecretKey }}
{{ include "availability-guard.fromSecret" (dict "name" "AVAILABILITY_GUARD_NOTIFICATION_SIGNING_SECRET" "secret" $secret "key" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "availability-guard.tracingEnv" -}}
{{- with .Values.tracing }}
{{- if .existingSecret }}
{{ include "availability-guard.fromSecret" (dict "name" "OTEL_EXPORTER_OTLP_HEADERS" "secret" .existingSecret "key" .headersKey) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "availability-guard.extraEnv" -}}
{{- with .Values.extraEnv }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* (dict "root" $ "of" (list "databaseEnv" "kafkaEnv")): the variables of those above, or nothing. */}}
{{- define "availability-guard.env" -}}
{{- $root := .root }}
{{- $parts := list }}
{{- range append .of "extraEnv" }}
{{- with include (printf "availability-guard.%s" .) $root | trim }}
{{- $parts = append $parts . }}
{{- end }}
{{- end }}
{{- join "\n" $parts }}
{{- end }}

{{/* The settings of the programs, and what follows from them. */}}

{{/* A value as the text of an environment variable. Numbers of a values file are floating-point ones, which would be
     printed as 1.048576e+06. */}}
{{- define "availability-guard.text" -}}
{{- if kindIs "float64" . }}{{ printf "%.6f" . | regexFind "^[0-9]+(\\.[0-9]*[1-9])?" }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* (dict "root" $ "name" "PORT" "default" 3800): a setting as it will be. */}}
{{- define "availability-guard.setting" -}}
{{- $value := get .root.Values.settings .name }}
{{- if or (kindIs "invalid" $value) (eq (toString $value) "") }}{{ $value = .default }}{{ end }}
{{- include "availability-guard.text" $value }}
{{- end }}

{{- define "availability-guard.httpPort" -}}
{{- include "availability-guard.setting" (dict "root" . "name" "PORT" "default" 3800) }}
{{- end }}

{{- define "availability-guard.grpcPort" -}}
{{- include "availability-guard.setting" (dict "root" . "name" "GRPC_PORT" "default" 4400) }}
{{- end }}

{{/* "true", or nothing. */}}
{{- define "availability-guard.dryRun" -}}
{{- $value := include "availability-guard.setting" (dict "root" . "name" "AVAILABILITY_GUARD_NOTIFICATION_DRY_RUN" "default" true) }}
{{- if eq $value "true" }}true{{ end }}
{{- end }}

{{/* Whether workers have somebody beside them who answers for their metrics: "true", or nothing. */}}
{{- define "availability-guard.workerMetricsOn" -}}
{{- $counting := include "availability-guard.setting" (dict "root" . "name" "GUARD_METRICS_ENABLED" "default" true) }}
{{- if and .Values.metrics.workers (eq $counting "true") }}true{{ end }}
{{- end }}

{{/* Where traces go, or nothing. */}}
{{- define "availability-guard.tracesEndpoint" -}}
{{- $all := include "availability-guard.setting" (dict "root" . "name" "OTEL_EXPORTER_OTLP_ENDPOINT" "default" .Values.tracing.endpoint) }}
{{- include "availability-guard.setting" (dict "root" . "name" "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" "default" $all) }}
{{- end }}

{{/* Where no relay runs, nobody empties the outbox of inventory events. */}}
{{- define "availability-guard.settings" -}}
{{- $settings := deepCopy .Values.settings }}
{{- if not .Values.relay.enabled }}
{{- $settings = merge $settings (dict "AVAILABILITY_GUARD_INVENTORY_EVENTS_ENABLED" false) }}
{{- end }}
{{- with .Values.tracing.endpoint }}
{{- $settings = merge $settings (dict "OTEL_EXPORTER_OTLP_ENDPOINT" .) }}
{{- end }}
{{- range $name, $value := $settings }}
{{- if not (kindIs "invalid" $value) }}
{{ $name }}: {{ include "availability-guard.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Time limits in seconds, each longer than the one inside it; see docs/settings.md. */}}
{{- define "availability-guard.answerSeconds" -}}
{{- $queue := include "availability-guard.setting" (dict "root" . "name" "GUARD_QUEUE_TIMEOUT_MS" "default" 2000) }}
{{- $statement := include "availability-guard.setting" (dict "root" . "name" "DB_STATEMENT_TIMEOUT_MS" "default" 5000) }}
{{- div (add (int64 $queue) (int64 $statement) 1999) 1000 }}
{{- end }}

{{/* How long nginx gets to finish, when it takes nothing new: it waits a second longer for the guard than that takes,
     and has to send the answer. */}}
{{- define "availability-guard.nginxQuitSeconds" -}}
{{- add (include "availability-guard.answerSeconds" .) 3 }}
{{- end }}

{{- define "availability-guard.guardGraceSeconds" -}}
{{- if kindIs "invalid" .Values.guard.terminationGracePeriodSeconds }}
{{- add .Values.guard.preStopSeconds (include "availability-guard.nginxQuitSeconds" .) (include "availability-guard.answerSeconds" .) 5 }}
{{- else }}
{{- .Values.guard.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}

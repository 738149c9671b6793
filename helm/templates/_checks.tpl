{{/* Checks that the schema of the values cannot express: values that contradict each other. */}}
{{- define "aws-job-exporter.checks" -}}
{{- $values := .Values }}
{{- if and $values.existingConfigMap $values.existingSecret }}
{{- fail "existingConfigMap and existingSecret: set only one of them" }}
{{- end }}
{{- if and $values.config (or $values.existingConfigMap $values.existingSecret) }}
{{- fail "config: leave it out, because existingConfigMap or existingSecret has the configuration" }}
{{- end }}
{{- if dig "web" "listen_address" "" $values.config }}
{{- fail "config.web.listen_address: set containerPort instead, which the probes and the service also use" }}
{{- end }}
{{- if dig "web" "config" "" $values.config }}
{{- fail "config.web.config: set web.config or web.existingSecret instead" }}
{{- end }}
{{- if and (gt (int $values.shards) 1) $values.config.shard }}
{{- fail "config.shard: leave it out, because shards sets it for each pod" }}
{{- end }}
{{- if $values.persistence.enabled }}
{{- if dig "storage" "path" "" $values.config }}
{{- fail "config.storage.path: leave it out, because persistence sets it" }}
{{- end }}
{{- if and (gt (int $values.shards) 1) $values.persistence.existingClaim }}
{{- fail "persistence.existingClaim: leave it out, because each of several shards needs a claim of its own" }}
{{- end }}
{{- if and (eq (int $values.shards) 1) (ne (default "" $values.strategy.type) "Recreate") }}
{{- fail "strategy.type: must be Recreate with persistence.enabled, because the new pod cannot use the volume before the old one has ended" }}
{{- end }}
{{- end }}
{{- if and $values.web.config $values.web.existingSecret }}
{{- fail "web.config and web.existingSecret: set only one of them" }}
{{- end }}
{{- if and $values.web.config.basic_auth_users (not $values.web.basicAuth.secretName) }}
{{- fail "web.basicAuth.secretName: name a Secret with the user name and password of one of web.config.basic_auth_users, which Prometheus and the probes need" }}
{{- end }}
{{- if and $values.web.tls.caKey (not $values.web.tls.secretName) }}
{{- fail "web.tls.caKey: set web.tls.secretName, the Secret that has this key" }}
{{- end }}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled: with both, Prometheus counts every job twice" }}
{{- end }}
{{- range $name := list "serviceMonitor" "podMonitor" }}
{{- if and (index $values $name "authorization") $values.web.basicAuth.secretName }}
{{- fail (printf "%s.authorization: leave it out, because web.basicAuth has a password" $name) }}
{{- end }}
{{- end }}
{{- $selector := include "aws-job-exporter.selector" . | fromYaml }}
{{- range $name, $labels := dict "commonLabels" $values.commonLabels "service.labels" $values.service.labels }}
{{- range $key, $own := $selector }}
{{- if ne (get $labels $key | default $own) $own }}
{{- fail (printf "%s: leave out %s, by which the ServiceMonitor finds the service; nameOverride changes app.kubernetes.io/name" $name $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs: name a gateway" }}
{{- end }}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) }}
{{- fail "ingress.hosts: name a host" }}
{{- end }}
{{- end }}

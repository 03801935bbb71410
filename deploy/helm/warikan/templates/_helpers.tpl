{{- define "warikan.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 48 characters: the longest name made from it is a Service's, 63 with "-verification" and room for a hash. */}}
{{- define "warikan.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else if contains (include "warikan.name" .) .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "warikan.name" .) | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "warikan.selectorLabels" -}}
app.kubernetes.io/name: {{ include "warikan.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "warikan.labels" -}}
{{ include "warikan.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "warikan.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "warikan.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where the chart makes none" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "warikan.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A value as TOML. JSON's scalars are TOML's; Helm's own toToml would write whole numbers as floats. */}}
{{- define "warikan.tomlValue" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key, $value := . -}}
{{- $pairs = append $pairs (printf "%s = %s" (toJson $key) (include "warikan.tomlValue" $value)) -}}
{{- end -}}
{ {{ join ", " $pairs }} }
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . -}}
{{- $items = append $items (include "warikan.tomlValue" .) -}}
{{- end -}}
[{{ join ", " $items }}]
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end -}}

{{/* What runs in the split shape, as a JSON list: the gateway and every service that the configuration has. */}}
{{- define "warikan.roles" -}}
{{- $roles := list "gateway" "onboarding" "verification" "revocation" "webhooks" "billing" -}}
{{- if .Values.config.sandbox.enabled -}}
{{- $roles = append $roles "sandbox" -}}
{{- end -}}
{{ toJson $roles }}
{{- end -}}

{{- define "warikan.isPostgres" -}}
{{- if eq (dig "database" "kind" "sqlite" .Values.config) "postgres" -}}true{{- end -}}
{{- end -}}

{{/* What the chart knows and values cannot say, laid over `config`; as JSON. */}}
{{- define "warikan.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "data_dir" "/var/lib/warikan" -}}
{{- $_ := set $config "listen" "0.0.0.0:8787" -}}
{{- $ops := deepCopy (default dict $config.ops) -}}
{{- $_ := set $ops "listen" "0.0.0.0:9187" -}}
{{- $_ := set $config "ops" $ops -}}
{{- if .Values.productionAnchors.configMap -}}
{{- $_ := set $config "production" (dict "anchors" "/etc/warikan-anchors") -}}
{{- end -}}
{{- if .Values.secrets.keys.name -}}
{{- $_ := set $config "keys_file" "/etc/warikan-secrets/keys.json" -}}
{{- end -}}
{{- if .Values.secrets.operatorCredential.name -}}
{{- $_ := set $config "operator_credential_file" "/etc/warikan-secrets/operator-credential.json" -}}
{{- end -}}
{{- if eq .Values.shape "split" -}}
{{- $topology := dict -}}
{{- range include "warikan.roles" . | fromJsonArray -}}
{{- if ne . "gateway" -}}
{{- $_ := set $topology . (printf "http://%s-%s:8787" (include "warikan.fullname" $) .) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "topology" $topology -}}
{{- end -}}
{{ toJson $config }}
{{- end -}}

{{/* warikan.toml: scalars first, since a section swallows what follows it. */}}
{{- define "warikan.toml" -}}
{{- $config := include "warikan.config" . | fromJson -}}
{{- range $key, $value := $config }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ include "warikan.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $section, $keys := $config }}
{{- if kindIs "map" $keys }}

[{{ $section }}]
{{- range $key, $value := $keys }}
{{ $key }} = {{ include "warikan.tomlValue" $value }}
{{- end }}
{{- end }}
{{- end }}
{{ end -}}

{{/* One variable whose text is a Secret's. Takes name, secret, key. */}}
{{- define "warikan.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret | quote }}
      key: {{ .key | quote }}
{{- end -}}

{{/* Where things are, for every process. */}}
{{- define "warikan.commonVariables" -}}
- name: WARIKAN_CONFIG_FILE
  value: /etc/warikan/warikan.toml
- name: WARIKAN_LOG
  value: {{ .Values.log | quote }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The variables of a process. Takes `root` and `role`: "all", a service, "gateway" or "migrate"; each gets no more secrets than it uses. */}}
{{- define "warikan.variables" -}}
{{- $root := .root -}}
{{- $role := .role -}}
{{- $secrets := $root.Values.secrets -}}
{{ include "warikan.commonVariables" $root }}
{{- if and (include "warikan.isPostgres" $root) (ne $role "gateway") }}
{{- if $secrets.databasePasswords.name }}
{{- range (list "onboarding" "verification" "revocation" "webhooks" "billing" "sandbox") }}
{{- if and (or (eq $role "all") (eq $role "migrate") (eq $role .)) (or (ne . "sandbox") $root.Values.config.sandbox.enabled) }}
{{ include "warikan.secretVariable" (dict "name" (printf "WARIKAN_DATABASE__PASSWORDS__%s" (upper .)) "secret" $secrets.databasePasswords.name "key" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq $role "migrate" }}
{{ include "warikan.secretVariable" (dict "name" "WARIKAN_DATABASE__OWNER_URL" "secret" $secrets.databaseOwner.name "key" $secrets.databaseOwner.key) }}
{{- end }}
{{- end }}
{{- if ne $role "migrate" }}
{{- if and $secrets.rabbitmq.name (ne $role "gateway") }}
{{ include "warikan.secretVariable" (dict "name" "WARIKAN_RABBITMQ__URL" "secret" $secrets.rabbitmq.name "key" $secrets.rabbitmq.key) }}
{{- end }}
{{- if and $secrets.redis.name (has $role (list "gateway" "onboarding" "all")) }}
{{ include "warikan.secretVariable" (dict "name" "WARIKAN_REDIS__URL" "secret" $secrets.redis.name "key" $secrets.redis.key) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "warikan.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end -}}

{{- define "warikan.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# Once, for a new volume. At every mount it would make the key file readable to the group again.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Ports and probes: the operator's listener answers, so that no client's flood hides whether the process lives. */}}
{{- define "warikan.probes" -}}
ports:
  - name: http
    containerPort: 8787
    protocol: TCP
  - name: ops
    containerPort: 9187
    protocol: TCP
startupProbe:
  httpGet:
    path: /healthz
    port: ops
  {{- toYaml .Values.startupProbe | nindent 2 }}
livenessProbe:
  httpGet:
    path: /healthz
    port: ops
  {{- toYaml .Values.livenessProbe | nindent 2 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: ops
  {{- toYaml .Values.readinessProbe | nindent 2 }}
# Who routes to this pod learns that it goes before it stops accepting.
lifecycle:
  preStop:
    exec:
      command: ["sleep", "5"]
{{- end -}}

{{/* What a process reads. Takes `root` and `role`. */}}
{{- define "warikan.mounts" -}}
{{- $values := .root.Values -}}
- name: config
  mountPath: /etc/warikan
  readOnly: true
{{- if and $values.productionAnchors.configMap (has .role (list "all" "verification" "revocation")) }}
- name: anchors
  mountPath: /etc/warikan-anchors
  readOnly: true
{{- end }}
{{- if $values.certificates.configMap }}
- name: certificates
  mountPath: /etc/warikan-certificates
  readOnly: true
{{- end }}
{{- if include "warikan.secretFiles" . }}
- name: secrets
  mountPath: /etc/warikan-secrets
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- end -}}

{{/* The Secrets that a process has as files; empty where it has none. */}}
{{- define "warikan.secretFiles" -}}
{{- $secrets := .root.Values.secrets -}}
{{- if and $secrets.keys.name (ne .role "migrate") }}
- secret:
    name: {{ $secrets.keys.name | quote }}
    items:
      - key: {{ $secrets.keys.key | quote }}
        path: keys.json
{{- end }}
{{- if and $secrets.operatorCredential.name (has .role (list "all" "onboarding")) }}
- secret:
    name: {{ $secrets.operatorCredential.name | quote }}
    items:
      - key: {{ $secrets.operatorCredential.key | quote }}
        path: operator-credential.json
{{- end }}
{{- end -}}

{{/* Takes `root`, `role` and `config`, the ConfigMap's name. */}}
{{- define "warikan.volumes" -}}
{{- $values := .root.Values -}}
- name: config
  configMap:
    name: {{ .config }}
{{- if and $values.productionAnchors.configMap (has .role (list "all" "verification" "revocation")) }}
- name: anchors
  configMap:
    name: {{ $values.productionAnchors.configMap }}
{{- end }}
{{- if $values.certificates.configMap }}
- name: certificates
  configMap:
    name: {{ $values.certificates.configMap }}
{{- end }}
{{- with include "warikan.secretFiles" . }}
- name: secrets
  projected:
    # With fsGroup the kubelet adds the group's right to read: the process' own group, and nobody else's.
    defaultMode: 0400
    sources:
      {{- . | nindent 6 }}
{{- end }}
# SQLite sorts what does not fit into memory here.
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- end -}}

{{- define "warikan.placement" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
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
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

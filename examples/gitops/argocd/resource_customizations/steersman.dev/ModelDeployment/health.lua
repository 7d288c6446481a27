-- Health of a ModelDeployment. Its status is in kstatus format and observedGeneration is kept.
-- What each condition means: docs/gitops.md and docs/reference/conditions.md of Steersman.
local health = { status = "Progressing", message = "Waiting for the operator" }
local status = obj.status
if type(status) ~= "table" or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local conditions = {}
if type(status.conditions) == "table" then
  for _, condition in ipairs(status.conditions) do
    if type(condition) == "table" and type(condition.type) == "string" then
      conditions[condition.type] = condition
    end
  end
end

local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local about = "Ready"
if holds("Stalled") then
  health.status = "Degraded"
  about = "Stalled"
elseif holds("Ready") then
  health.status = "Healthy"
elseif status.phase == "Paused" then
  health.status = "Suspended"
elseif status.phase == "Degraded" and not holds("Available") then
  -- It may come back by itself, but nothing serves.
  health.status = "Degraded"
end

health.message = ""
if conditions[about] ~= nil and type(conditions[about].message) == "string" then
  health.message = conditions[about].message
end
return health

-- Health of a ModelRegistry: whether its server answers. It is asked only for a ModelDeployment.
local health = { status = "Healthy", message = "No ModelDeployment asks for it yet" }
local status = obj.status
if type(status) ~= "table" or type(status.conditions) ~= "table" then
  return health
end
for _, condition in ipairs(status.conditions) do
  if type(condition) == "table" and condition.type == "Reachable" then
    health.status = condition.status == "True" and "Healthy" or "Degraded"
    health.message = type(condition.message) == "string" and condition.message or ""
  end
end
return health

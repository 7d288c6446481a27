-- The operator says in status.actions which actions make sense now; here they get their labels.
local labels = {
  { "promote", "Promote", "fa fa-fw fa-step-forward" },
  { "promote-full", "Promote fully, without the steps that are left", "fa fa-fw fa-fast-forward" },
  { "pause", "Pause", "fa fa-fw fa-pause" },
  { "resume", "Resume", "fa fa-fw fa-play" },
  { "abort", "Abort: all traffic back to stable", "fa fa-fw fa-stop" },
  { "retry", "Retry the revision that failed", "fa fa-fw fa-redo" },
  { "rollback", "Roll back to the previous revision", "fa fa-fw fa-undo" },
  { "retrain", "Retrain the model", "fa fa-fw fa-dumbbell" },
}

local possible = {}
local status = obj.status
if type(status) == "table" and status.observedGeneration == obj.metadata.generation
    and type(status.actions) == "table" then
  for _, action in ipairs(status.actions) do
    possible[action] = true
  end
end

local actions = {}
for _, label in ipairs(labels) do
  actions[label[1]] = {
    ["disabled"] = not possible[label[1]],
    ["displayName"] = label[2],
    ["iconClass"] = label[3],
  }
end
return actions

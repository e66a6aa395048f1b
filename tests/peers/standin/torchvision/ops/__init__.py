def roi_align(*arguments, **keywords):
    raise NotImplementedError("stands in for torchvision")


nms = box_convert = roi_align
